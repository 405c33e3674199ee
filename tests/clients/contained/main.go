// Consumers for an image, by the first argument: each notes its work in $MQCHAOS_EFFECTS (or in $BOOK), at once.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func note(id string) {
	path := os.Getenv("MQCHAOS_EFFECTS")
	if book := os.Getenv("BOOK"); book != "" {
		path = book
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	if _, err := io.WriteString(file, id+"\n"); err != nil {
		panic(err)
	}
}

// One delivery, as the kind of consumer has it.
func handle(kind string, delivery amqp.Delivery) error {
	if kind == "auto" {
		time.Sleep(5 * time.Millisecond) // it has more in hand than it works on
		note(delivery.MessageId)
		return nil
	}
	if kind == "ackfirst" || kind == "threads" {
		if err := delivery.Ack(false); err != nil {
			return err
		}
		if kind == "threads" { // the kernel stops the first thread first, and the others some microseconds later
			time.Sleep(2 * time.Millisecond)
		}
		note(delivery.MessageId)
		return nil
	}
	note(delivery.MessageId)
	return delivery.Ack(false)
}

func session(kind string, stop <-chan os.Signal) error {
	connection, err := amqp.Dial(os.Getenv("AMQP_URL"))
	if err != nil {
		return err
	}
	defer connection.Close()
	channel, err := connection.Channel()
	if err != nil {
		return err
	}
	if err := channel.Qos(5, 0, false); err != nil {
		return err
	}
	deliveries, err := channel.Consume("orders", "c", kind == "auto", false, false, false, nil)
	if err != nil {
		return err
	}
	fmt.Println("connected")
	for {
		select {
		case delivery, open := <-deliveries:
			if !open {
				return errors.New("no more deliveries")
			}
			if err := handle(kind, delivery); err != nil {
				return err // the message comes again
			}
		case number := <-stop:
			fmt.Println("heard", number)
			connection.Close() // what it has in hand and has not acked comes again
			os.Exit(0)
		}
	}
}

// The application's own publisher: as many messages as $COUNT says, each confirmed.
func publish() error {
	connection, err := amqp.Dial(os.Getenv("AMQP_URL"))
	if err != nil {
		return err
	}
	defer connection.Close()
	channel, err := connection.Channel()
	if err != nil {
		return err
	}
	if err := channel.Confirm(false); err != nil {
		return err
	}
	count, _ := strconv.Atoi(os.Getenv("COUNT"))
	for n := 1; n <= count; n++ {
		message := amqp.Publishing{MessageId: fmt.Sprintf("order-%d", n), DeliveryMode: amqp.Persistent}
		sent, err := channel.PublishWithDeferredConfirm("", "orders", true, false, message)
		if err != nil {
			return err
		}
		if !sent.Wait() {
			return errors.New("refused")
		}
	}
	return nil
}

// A parent whose children work: one after the other, each in a group of its own where `apart` says so.
func family(kind string, apart bool) {
	for {
		child := exec.Command("/proc/self/exe", kind)
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		child.SysProcAttr = &syscall.SysProcAttr{Setpgid: apart}
		fmt.Println("child:", child.Run())
	}
}

func init() {
	if len(os.Args) > 1 && os.Args[1] == "ackfirst" {
		runtime.LockOSThread() // it sends by its first thread, as a program without threads does
	}
}

func main() {
	kind := os.Args[1]
	fmt.Println("arguments", os.Args[1:])
	stop := make(chan os.Signal, 1)
	switch kind {
	case "deaf":
		signal.Ignore(syscall.SIGTERM, syscall.SIGQUIT)
	case "fails":
		fmt.Fprintln(os.Stderr, "no such plan")
		os.Exit(3)
	case "publishes":
		if err := publish(); err != nil {
			panic(err)
		}
		return
	case "sleeps":
		time.Sleep(time.Hour)
	case "says":
		for _, name := range os.Args[2:] {
			value, there := os.LookupEnv(name)
			fmt.Println("says", name, there, value)
		}
		directory, _ := os.Getwd()
		fmt.Println("in", directory, "as", os.Getuid())
	case "parent":
		family("good", false)
	case "apart":
		family("ackfirst", true)
	default:
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGQUIT)
	}
	for {
		fmt.Println("lost", session(kind, stop))
		time.Sleep(50 * time.Millisecond)
	}
}
