// The bug: it acks, and does the work "in the background", so a crash in between loses the order.

const { book, consume, orderOf } = require("../worker.js");

consume(async (channel, message) => {
  channel.ack(message);
  await book(orderOf(message));
});
