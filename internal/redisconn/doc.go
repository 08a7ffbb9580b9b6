// Package redisconn makes Redis clients that follow a failover, and subscriptions that move to another node with it.
//
// What happens when Redis fails:
//
//   - A master of a cluster is killed or hangs. A client asks for the slots of the cluster every second that it is used, and at
//     once when a node does not answer, so that it knows the new master within about a second of its election. A node that hangs
//     delays that by half a second.
//   - A client with MaxRetries -1 sends no command a second time, in a cluster neither, unless a node says that another one
//     serves the key (MOVED, ASK), which means that it did nothing.
//   - A server becomes a replica, and its address leads to the new primary. At the first write that is refused, a client drops
//     all idle connections.
//   - The connection of a subscription breaks, or says nothing for some seconds, not even to a PING. The subscription opens
//     another one. In a cluster any master will do, since a message that is published at one is passed on to all.
package redisconn
