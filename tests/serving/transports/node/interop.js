// The cases of gRPC's interop tests (grpc/doc/interop-test-descriptions.md), by the client of Node, against a server
// that echoes. Usage: node interop.js HOST:PORT PATH_OF_GRPC_JS. Prints {case: what happened} as JSON.
"use strict";
const [target, library] = process.argv.slice(2);
const grpc = require(library);

const unlimited = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };
const client = new grpc.Client(target, grpc.credentials.createInsecure(), unlimited);
const same = (value) => value;

function unary(method, message, options = {}, metadata = new grpc.Metadata(), through = client) {
  return new Promise((resolve) => {
    const found = {};
    const call = through.makeUnaryRequest(`/zoo.Echo/${method}`, same, same, message, metadata,
      { deadline: Date.now() + 20000, ...options }, (error, answer) => {
        found.code = error ? error.code : 0;
        found.details = error ? error.details : "";
        found.answer = answer;
      });
    call.on("status", (status) => {
      found.trailing = status.metadata;
      setImmediate(() => resolve(found));
    });
    if (options.cancel) setImmediate(() => call.cancel());
  });
}

function stream(method, messages, options = {}) {
  return new Promise((resolve) => {
    const found = { answers: [] };
    const call = client.makeBidiStreamRequest(`/zoo.Echo/${method}`, same, same, new grpc.Metadata(),
      { deadline: Date.now() + 20000, ...options });
    let next = 0;
    const send = () => (next < messages.length ? call.write(messages[next++]) : call.end());
    call.on("data", (answer) => {
      found.answers.push(answer);
      if (options.cancelAtFirst) call.cancel();
      else if (options.pingPong) send();
    });
    call.on("error", () => {});
    call.on("status", (status) => resolve({ ...found, code: status.code }));
    if (options.cancelAtOnce) call.cancel();
    else if (options.pingPong) send();
    else while (next <= messages.length && !call.writableEnded) send();
  });
}

const bytes = (size) => Buffer.alloc(size, 7);
const lengths = (found) => ({ code: found.code, lengths: found.answers.map((each) => each.length) });

const cases = {
  async empty_unary() {
    const found = await unary("Unary", bytes(0));
    return { code: found.code, length: found.answer.length };
  },
  async large_unary() {
    const found = await unary("Unary", bytes(5000000));
    return { code: found.code, length: found.answer.length, same: found.answer.equals(bytes(5000000)) };
  },
  async client_compressed_unary() {
    const compressing = new grpc.Client(target, grpc.credentials.createInsecure(), {
      ...unlimited, "grpc.default_compression_algorithm": 2, "grpc.use_local_subchannel_pool": 1 });
    const found = await unary("Unary", bytes(271828), {}, new grpc.Metadata(), compressing);
    compressing.close();
    return { code: found.code, same: found.answer.equals(bytes(271828)) };
  },
  async ping_pong() {
    return lengths(await stream("Stream", [27182, 8, 1828, 45904].map(bytes), { pingPong: true }));
  },
  async streams() {
    return lengths(await stream("Stream", [31415, 9, 2653, 58979].map(bytes)));
  },
  async empty_stream() {
    return lengths(await stream("Stream", []));
  },
  async cancel_after_begin() {
    return lengths(await stream("WaitStream", [], { cancelAtOnce: true }));
  },
  async cancel_after_first_response() {
    return lengths(await stream("WaitStream", [bytes(27182)], { cancelAtFirst: true }));
  },
  async timeout_on_sleeping_server() {
    return { code: (await unary("Wait", bytes(1), { deadline: Date.now() + 50 })).code };
  },
  async cancelled_unary() {
    return { code: (await unary("Wait", bytes(1), { cancel: true })).code };
  },
  async status_code_and_message() {
    const found = await unary("Fail", Buffer.from(JSON.stringify({ code: 2, text: "test status message" })));
    return { code: found.code, details: found.details };
  },
  async special_status_message() {
    const text = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \ud83d\ude08\t\n";
    const found = await unary("Fail", Buffer.from(JSON.stringify({ code: 2, text })));
    return { code: found.code, same: found.details === text };
  },
  async custom_metadata() {
    const sent = new grpc.Metadata();
    sent.set("x-grpc-test-echo-initial", "test_initial_metadata_value");
    sent.set("x-grpc-test-echo-trailing-bin", Buffer.from([0xab, 0xab, 0xab]));
    const found = await unary("Tell", bytes(0), {}, sent);
    const known = JSON.parse(found.answer.toString()).metadata;
    return {
      code: found.code,
      text: known["x-grpc-test-echo-initial"],
      bytes: known["x-grpc-test-echo-trailing-bin"],
      trailing: found.trailing.get("x-answer"),
    };
  },
  async trailing_bytes_of_an_error() {
    const found = await unary("Fail", Buffer.from(JSON.stringify({ code: 3, text: "no" })));
    return { code: found.code, bytes: [...found.trailing.get("x-bytes-bin")[0]] };
  },
  async unimplemented_method() {
    return { code: (await unary("Nothing", bytes(0))).code };
  },
  async many_at_once() {
    const all = await Promise.all(Array.from({ length: 500 }, (_, number) => unary("Unary", Buffer.from(`${number}`))));
    return { same: all.every((found, number) => found.code === 0 && found.answer.toString() === `${number}`) };
  },
};

(async () => {
  const results = {};
  for (const [name, run] of Object.entries(cases)) results[name] = await run();
  client.close();
  console.log(JSON.stringify(results));
})();
