// A neighbour that has nothing to do with messages: it keeps a core busy, going through as much memory as a relay holds,
// until it is ended.
const memory = new Uint32Array(16 << 20)
let at = 1
for (;;) {
  memory[at % memory.length] = at
  at = (Math.imul(at, 1_664_525) + 1_013_904_223) >>> 0
}
