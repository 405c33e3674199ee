// The worker: it books, and then acks.
package main

import "example.com/orders/orders"

func main() { orders.Consume(false, orders.OnOrder) }
