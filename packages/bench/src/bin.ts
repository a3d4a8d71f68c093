#!/usr/bin/env node
import { Command } from 'commander'
import { addAll } from './commands/allCommand.js'
import { addDrain } from './commands/drainCommand.js'
import { addSuites } from './commands/suiteCommands.js'

const program = new Command('bench').description(
  'Measures oncebox beside its limits and the usual ways, in one run, on servers of its own.',
)
addAll(program)
addDrain(program)
addSuites(program)
await program.parseAsync()
process.exit(process.exitCode ?? 0)
