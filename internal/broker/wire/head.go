package wire

import "google.golang.org/protobuf/encoding/protowire"

// typeOf returns the type of the task whose message begins so. It is the first field, whoever wrote the message; "" is
// that of a message that cannot be read.
func TypeOf(head []byte) string {
	num, wire, n := protowire.ConsumeTag(head)
	if n < 0 || num != numType || wire != protowire.BytesType {
		return ""
	}
	taskType, _ := protowire.ConsumeString(head[n:])
	return taskType
}

// typesOf returns the types of the tasks whose messages a script has returned the heads of.
func TypesOf(heads any) []string {
	list, _ := heads.([]any)
	types := make([]string, len(list))
	for i := range list {
		head, _ := list[i].(string)
		types[i] = TypeOf([]byte(head))
	}
	return types
}
