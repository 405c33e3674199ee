// Go's amqp091: whatever ends the connection, a new one.
package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func session(effects *os.File) error {
	connection, err := amqp.Dial(os.Getenv("AMQP_URL"))
	if err != nil {
		return err
	}
	defer connection.Close()
	closed := connection.NotifyClose(make(chan *amqp.Error, 1))
	channel, err := connection.Channel()
	if err != nil {
		return err
	}
	if err := channel.Qos(5, 0, false); err != nil {
		return err
	}
	deliveries, err := channel.Consume("orders", "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	fmt.Println("connected")
	for delivery := range deliveries {
		if _, err := effects.WriteString(delivery.MessageId + "\n"); err != nil {
			panic(err)
		}
		if err := delivery.Ack(false); err != nil {
			break // the message comes again
		}
	}
	if err := <-closed; err != nil {
		return err
	}
	return errors.New("closed")
}

func main() {
	effects, err := os.OpenFile(os.Getenv("MQCHAOS_EFFECTS"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	for {
		fmt.Println("lost", session(effects))
		time.Sleep(100 * time.Millisecond)
	}
}
