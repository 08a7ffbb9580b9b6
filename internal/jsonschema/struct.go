package jsonschema

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// object collects the fields of a struct and of the structs embedded in it.
type object struct {
	properties keywords
	required   []string
	depths     map[string]int // how deep the struct of a property is embedded
}

func (in *inference) describeStruct(t reflect.Type) (keywords, error) {
	o := &object{keywords{}, nil, make(map[string]int)}
	if err := in.addFields(o, t, 0); err != nil {
		return nil, err
	}
	schema := keywords{"type": "object", "additionalProperties": false}
	if len(o.properties) > 0 {
		schema["properties"] = o.properties
	}
	if len(o.required) > 0 {
		schema["required"] = o.required
	}
	return schema, nil
}

func (in *inference) addFields(o *object, t reflect.Type, depth int) error {
	for i := range t.NumField() {
		field := t.Field(i)
		tag := field.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		embedded := indirect(field.Type)
		switch {
		case tag == "-":
		case field.Anonymous && name == "" && embedded.Kind() == reflect.Struct:
			if err := in.addFields(o, embedded, depth+1); err != nil {
				return err
			}
		case field.IsExported():
			if name == "" {
				name = field.Name
			}
			if !o.claim(name, depth) {
				continue
			}
			property, err := in.property(field, options)
			if err != nil {
				return fmt.Errorf("field %s: %w", field.Name, err)
			}
			o.add(name, property, field.Tag.Get("required") == "true" || !has(options, "omitempty") && !has(options, "omitzero"))
		}
	}
	return nil
}

// claim reports whether a field at a depth is the one of its name. Of several, it is the least deep.
func (o *object) claim(name string, depth int) bool {
	if other, ok := o.depths[name]; ok && other <= depth {
		return false
	}
	o.depths[name] = depth
	return true
}

func (o *object) add(name string, property any, required bool) {
	o.properties[name] = property
	o.required = slices.DeleteFunc(o.required, func(other string) bool { return other == name })
	if required {
		o.required = append(o.required, name)
	}
}

// property returns the schema of a field.
func (in *inference) property(field reflect.StructField, options string) (keywords, error) {
	schema, err := in.use(field.Type)
	if err != nil {
		return nil, err
	}
	if err := in.addTags(schema, field.Tag); err != nil {
		return nil, err
	}
	return schema, setNull(schema, field, options)
}

// setNull decides whether a field may be null: as its tag says, or as encoding/json writes nil.
func setNull(schema keywords, field reflect.StructField, options string) error {
	_, isRef := schema["$ref"]
	isPointer := field.Type.Kind() == reflect.Pointer
	text, tagged := field.Tag.Lookup("nullable")
	switch {
	case tagged:
		nullable, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("tag nullable: %w", err)
		}
		if nullable {
			schema.addNull()
		} else {
			schema.removeNull()
		}
	case isRef && isPointer, !isRef && !has(options, "omitempty") && (isPointer || schema.holdsNil()):
		schema.addNull()
	}
	return nil
}

// has reports whether the options of a json tag include one.
func has(options, option string) bool {
	return slices.Contains(strings.Split(options, ","), option)
}
