package wire

import "google.golang.org/protobuf/encoding/protowire"

// TypeOf returns the task type of an encoded message, of which the first bytes suffice: the type is the first field,
// whichever client wrote the message. It returns "" if the bytes cannot be decoded.
func TypeOf(head []byte) string {
	num, wire, n := protowire.ConsumeTag(head)
	if n < 0 || num != numType || wire != protowire.BytesType {
		return ""
	}
	taskType, _ := protowire.ConsumeString(head[n:])
	return taskType
}

// TypesOf returns the task types of a script's reply, a list of message prefixes; see TypeOf.
func TypesOf(heads any) []string {
	list, _ := heads.([]any)
	types := make([]string, len(list))
	for i := range list {
		head, _ := list[i].(string)
		types[i] = TypeOf([]byte(head))
	}
	return types
}
