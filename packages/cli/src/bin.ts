#!/usr/bin/env -S node --max-semi-space-size=16
import { runProgram } from './command/program.js'
import { forgetEmptySettings } from './flags/environment.js'

forgetEmptySettings(process.env)
const code = await runProgram(process.argv)
// Whatever a library still holds open (a timer, a socket on its way out) must not keep a finished command alive.
process.exit(code)
