// The bug: tutorials end like this. When the connection is lost the loop ends, and main goes on waiting for its signal: a
// process that is up, looks well to a supervisor, and consumes nothing.
package main

import (
	"log"
	"os"
	"os/signal"
	"syscall"

	"example.com/orders/orders"
	amqp "github.com/rabbitmq/amqp091-go"
)

func main() {
	connection, err := amqp.Dial(os.Getenv("AMQP_URL"))
	if err != nil {
		log.Fatal(err)
	}
	deliveries, err := orders.Subscribe(connection, false)
	if err != nil {
		log.Fatal(err)
	}

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		for delivery := range deliveries {
			if err := orders.OnOrder(delivery); err != nil {
				log.Print(err)
			}
		}
	}()
	<-stop
}
