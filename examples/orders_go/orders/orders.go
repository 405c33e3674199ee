// Package orders books the orders of a queue, each exactly once, whatever breaks on the way.
package orders

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const dead = "orders.dead"

// Read returns the number of the order in a message's body.
func Read(body []byte) (string, error) {
	var read struct{ Order *string }
	if err := json.Unmarshal(body, &read); err != nil {
		return "", err
	}
	if read.Order == nil {
		return "", errors.New("no order")
	}
	return *read.Order, nil
}

// Book does the work of an order, once: the book of all orders is also the memory of what is done.
func Book(order string) error {
	time.Sleep(20 * time.Millisecond)
	log, err := os.OpenFile(os.Getenv("ORDERS_LOG"), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	if err := syscall.Flock(int(log.Fd()), syscall.LOCK_EX); err != nil { // two workers may hold the same order
		return err
	}
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if lines.Text() == order {
			return nil
		}
	}
	_, err = io.WriteString(log, order+"\n")
	return err
}

// OnOrder books one order. The ack comes last: until then the broker would deliver it again.
func OnOrder(delivery amqp.Delivery) error {
	order, err := Read(delivery.Body)
	if err != nil || strings.ContainsAny(order, "\r\n") {
		return delivery.Reject(false) // no retry makes it readable: to the dead-letter queue
	}
	if err := Book(order); err != nil {
		return err
	}
	return delivery.Ack(false)
}

// Subscribe declares the queues and begins to consume.
func Subscribe(connection *amqp.Connection, autoAck bool) (<-chan amqp.Delivery, error) {
	channel, err := connection.Channel()
	if err != nil {
		return nil, err
	}
	if _, err := channel.QueueDeclare(dead, true, false, false, false, nil); err != nil {
		return nil, err
	}
	toDead := amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
	if _, err := channel.QueueDeclare("orders", true, false, false, false, toDead); err != nil {
		return nil, err
	}
	if err := channel.Qos(10, 0, false); err != nil {
		return nil, err
	}
	return channel.Consume("orders", "", autoAck, false, false, false, nil)
}

// One connection, from its opening to its end.
func session(autoAck bool, onMessage func(amqp.Delivery) error) error {
	connection, err := amqp.Dial(os.Getenv("AMQP_URL"))
	if err != nil {
		return err
	}
	defer connection.Close()
	deliveries, err := Subscribe(connection, autoAck)
	if err != nil {
		return err
	}
	for delivery := range deliveries { // ends with the connection, the channel or the subscription
		if err := onMessage(delivery); err != nil {
			return err // the order comes again
		}
	}
	return errors.New("no more deliveries")
}

// Consume consumes for good: whenever the connection is gone, a new one, and a new subscription.
func Consume(autoAck bool, onMessage func(amqp.Delivery) error) {
	for {
		fmt.Printf("connection lost (%v), once more\n", session(autoAck, onMessage))
		time.Sleep(100 * time.Millisecond)
	}
}
