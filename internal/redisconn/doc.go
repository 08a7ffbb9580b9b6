// Package redisconn provides Redis clients and subscriptions that follow a failover.
//
// # Failures
//
//   - A master of a cluster is killed or hangs. While it is in use, a client reloads the slots of the cluster every second,
//     and at once when a node does not reply. So it uses the new master within about a second of its election. A node that
//     hangs delays this by half a second.
//   - A client with MaxRetries -1 does not send a command twice, in a cluster either. The exception is a redirection (MOVED,
//     ASK): the redirecting node has not executed the command.
//   - A server becomes a replica, and its address now leads to the new primary. At the first write that is refused, a client
//     drops all idle connections.
//   - The connection of a subscription breaks, or nothing arrives on it for some seconds, not even the reply to a PING. The
//     subscription opens another one. In a cluster it uses any master, since masters forward messages to all nodes.
package redisconn
