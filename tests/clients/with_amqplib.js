// Node's amqplib: whatever ends the connection, a new one.

const { appendFileSync } = require("node:fs");
const { setTimeout: sleep } = require("node:timers/promises");
const amqp = require("amqplib");

const lost = (error) => console.log(`lost ${error}`.replace(/\s+/g, " "));

async function session() {
  const connection = await amqp.connect(process.env.AMQP_URL);
  connection.on("error", lost);
  const closed = new Promise((resolve) => connection.once("close", resolve));
  const channel = await connection.createChannel();
  channel.on("error", () => {});
  await channel.prefetch(5);
  await channel.consume("orders", (message) => {
    appendFileSync(process.env.MQCHAOS_EFFECTS, `${message.properties.messageId}\n`);
    try {
      channel.ack(message);
    } catch {} // the connection is gone: the message comes again
  });
  console.log("connected");
  await closed;
}

(async () => {
  for (;;) {
    await session().catch(lost);
    await sleep(100);
  }
})();
