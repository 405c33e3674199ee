// Books the orders of a queue, each exactly once, whatever breaks on the way.

const { appendFileSync, readFileSync } = require("node:fs");
const { setTimeout: sleep } = require("node:timers/promises");
const amqp = require("amqplib");

const LOG = process.env.ORDERS_LOG;
const DEAD = "orders.dead";

// The work, once for each order: the book of all orders is also the memory of what is done.
async function book(order) {
  await sleep(20);
  if (!readFileSync(LOG, { encoding: "utf8", flag: "a+" }).split("\n").includes(order)) {
    appendFileSync(LOG, `${order}\n`);
  }
}

function orderOf(message) {
  try {
    return JSON.parse(message.content).order;
  } catch {
    return undefined;
  }
}

// The ack comes last: until then the broker would deliver the order again.
async function onOrder(channel, message) {
  const order = orderOf(message);
  if (order === undefined) return channel.nack(message, false, false); // no retry makes it readable
  await book(order);
  channel.ack(message);
}

// One connection, from its opening to its end; `onMessage` has one message at a time.
async function session(onMessage) {
  const connection = await amqp.connect(process.env.AMQP_URL);
  connection.on("error", () => {}); // "close" follows
  const closed = new Promise((resolve) => connection.once("close", resolve));
  const channel = await connection.createChannel();
  channel.on("error", () => connection.close().catch(() => {}));
  await channel.assertQueue(DEAD, { durable: true });
  await channel.assertQueue("orders", { durable: true, deadLetterExchange: "", deadLetterRoutingKey: DEAD });
  await channel.prefetch(10);

  let open = true;
  const end = () => {
    open = false;
    return connection.close().catch(() => {}); // closed already
  };
  let turn = Promise.resolve();
  await channel.consume("orders", (message) => {
    if (message === null) return end(); // the broker cancelled us
    turn = turn.then(() => open && onMessage(channel, message)).catch(end); // the order comes again
  });
  await closed;
  open = false;
  await turn;
}

// Whenever the connection is gone: a new one, and a new subscription.
async function consume(onMessage = onOrder) {
  for (;;) {
    try {
      await session(onMessage);
    } catch (error) {
      console.log(`connection lost (${error.message}), once more`);
    }
    await sleep(100);
  }
}

module.exports = { book, consume, orderOf };

if (require.main === module) consume();
