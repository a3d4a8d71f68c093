#!/usr/bin/env node
import { Command } from 'commander'
import { addAll } from './commands/allCommand.js'
import { addDrain } from './commands/drainCommand.js'
import { addGuards } from './commands/guardsCommand.js'
import { addSuites } from './commands/suiteCommands.js'

const program = new Command('bench').description(
  'Measures oncebox beside its limits and the usual ways, in one run, on servers of its own.',
)
addAll(program)
addDrain(program)
addSuites(program)
addGuards(program)
// An exit, unlike a signal's own end, ends the arms as well; the servers end with this process in any case.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
await program.parseAsync()
process.exit(process.exitCode ?? 0)
