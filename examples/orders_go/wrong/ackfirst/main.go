// The bug: it acks, and does the work after that, so a crash in between loses the order.
package main

import (
	"example.com/orders/orders"
	amqp "github.com/rabbitmq/amqp091-go"
)

func main() {
	orders.Consume(false, func(delivery amqp.Delivery) error {
		if err := delivery.Ack(false); err != nil {
			return err
		}
		order, err := orders.Read(delivery.Body)
		if err != nil {
			return nil
		}
		return orders.Book(order)
	})
}
