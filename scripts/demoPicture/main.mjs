// `npm run picture`: runs the demo, records what it writes to a terminal and when, and draws docs/demo.svg from it, and its end as
// docs/demo-still.svg for those who want no motion.
// `npm run picture -- --again` draws the last recording anew; `--seed` and `--messages` are the demo's.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../root.mjs'
import { drawEnd, drawFilm } from './draw.mjs'
import { filmOf } from './film.mjs'
import { colour, framesOf } from './terminal.mjs'

const recordingFile = join(root, '.cache/demoPicture/recording.json')
const [movingFile, stillFile] = ['docs/demo.svg', 'docs/demo-still.svg']

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '7' },
    messages: { type: 'string', default: '5000' },
    again: { type: 'boolean', default: false },
  },
})

/** What the demo wrote to a terminal, and when, in seconds. It is shown here as well. */
async function record() {
  const { runDemo } = await import('../../packages/cli/dist/demo/demo.js')
  const { silentLogger } = await import('../../packages/core/dist/index.js')
  const began = performance.now()
  const writes = []
  const stream = {
    isTTY: true,
    write(text) {
      writes.push({ at: (performance.now() - began) / 1_000, text })
      return process.stderr.write(text)
    },
  }
  const settings = { seed: Number(values.seed), messages: Number(values.messages), kafka: false, json: false }
  const code = await runDemo({ ...settings, logger: silentLogger, stream })
  if (code !== 0) throw new Error(`the demo ended with ${code}: no picture is made of that`)
  const date = new Date().toISOString().slice(0, 10)
  mkdirSync(dirname(recordingFile), { recursive: true })
  writeFileSync(recordingFile, JSON.stringify({ date, ...settings, writes }))
}

if (!values.again) await record()
const { date, seed, messages, writes } = JSON.parse(readFileSync(recordingFile, 'utf8'))
const frames = framesOf(writes)
const film = filmOf(frames)
const account = frames
  .at(-1)
  .lines.slice(-14)
  .map((line) => line.replaceAll(colour, '').trim().replaceAll(/ +/g, ' '))
const words = {
  title: `npm run demo: ${messages.toLocaleString('en-US')} orders, with relay and consumer killed on the way`,
  description: `A terminal, recorded. The account at its end: ${account.filter((line) => line !== '').join('; ')}`,
  command: `npm run demo -- --seed ${seed}`,
}
const played = [`recorded ${date}`, film.cut ? 'pauses cut' : '', film.speed === 1 ? '' : `${film.speed}× as fast`]
const moving = drawFilm(film, { ...words, note: played.filter((part) => part !== '').join(', ') })
const still = drawEnd(film, { ...words, note: `recorded ${date}` })
writeFileSync(join(root, movingFile), moving)
writeFileSync(join(root, stillFile), still)
process.stderr.write(
  `${movingFile}: ${moving.length} bytes, ${film.seconds.toFixed(1)} s a round; ${stillFile}: ${still.length} bytes\n`,
)
