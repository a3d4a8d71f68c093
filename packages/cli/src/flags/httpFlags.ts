import { type Command, InvalidArgumentError, Option } from 'commander'

export interface HttpFlags {
  /** 0: any that is free. Nothing listens without it. */
  readonly httpPort?: number
  readonly httpHost: string
}

/** Adds `--http-port` and `--http-host`. */
export function withHttpFlags(command: Command): Command {
  return command
    .optionsGroup('Probes and metrics:')
    .addOption(
      new Option('--http-port <port>', 'serve /livez, /readyz and /metrics there (default: nowhere)')
        .env('ONCEBOX_HTTP_PORT')
        .argParser(portNumber),
    )
    .addOption(
      new Option('--http-host <host>', 'the address to listen at; 0.0.0.0 for every one')
        .env('ONCEBOX_HTTP_HOST')
        .default('127.0.0.1'),
    )
}

function portNumber(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError('It is a number from 0 to 65535.')
  return port
}
