// The bug: automatic ack. What the broker has sent is done with, and the orders that wait in Go's channel die with us.
package main

import (
	"example.com/orders/orders"
	amqp "github.com/rabbitmq/amqp091-go"
)

func main() {
	orders.Consume(true, func(delivery amqp.Delivery) error {
		order, err := orders.Read(delivery.Body)
		if err != nil {
			return nil
		}
		return orders.Book(order)
	})
}
