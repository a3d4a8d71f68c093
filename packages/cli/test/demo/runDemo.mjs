// Runs the demo as its verb does, with JSON on standard output: for tests that look at a whole process.
import { parseArgs } from 'node:util'
import { silentLogger } from '@oncebox/core'
import { runDemo } from '../../dist/demo/demo.js'

const { values } = parseArgs({
  options: { messages: { type: 'string' }, seed: { type: 'string' }, kafka: { type: 'boolean', default: false } },
})
process.exitCode = await runDemo({
  messages: Number(values.messages),
  seed: Number(values.seed),
  kafka: values.kafka,
  json: true,
  logger: silentLogger,
})
