import type { Logger } from '@oncebox/core'
import { type WebhookNotifier, webhookNotifier } from '@oncebox/ops/webhook'
import type { WebhookFlags } from '../flags/webhookFlags.js'
import { UsageError } from './failure.js'

/** The notifier of `--webhook-url`; null without one. @throws UsageError without a secret, and as `webhookNotifier`. */
export function openWebhook(
  { webhookUrl }: WebhookFlags,
  secret: string | undefined,
  logger: Logger,
): WebhookNotifier | null {
  if (webhookUrl === undefined) return null
  if (secret === undefined || secret === '') {
    throw new UsageError('a webhook needs a secret', 'Set ONCEBOX_WEBHOOK_SECRET, and tell the receiver.')
  }
  return webhookNotifier({ url: webhookUrl, secret, logger })
}
