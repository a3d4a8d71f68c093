// Tells an address of yours when something needs a hand, and when it is over.
export {
  type Notice,
  type NoticeProblem,
  type WebhookNotifier,
  type WebhookOptions,
  webhookNotifier,
} from '@oncebox/ops/webhook'
