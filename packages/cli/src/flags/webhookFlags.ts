import { type Command, Option } from 'commander'

export interface WebhookFlags {
  readonly webhookUrl?: string
}

/** Adds where to tell problems. The secret comes from the environment only. */
export function withWebhookFlags(command: Command): Command {
  return command
    .optionsGroup('Telling people:')
    .addOption(
      new Option('--webhook-url <url>', 'POST problems there, signed with ONCEBOX_WEBHOOK_SECRET').env(
        'ONCEBOX_WEBHOOK_URL',
      ),
    )
}
