export {
  type Notice,
  type NoticeProblem,
  type WebhookNotifier,
  type WebhookOptions,
  webhookNotifier,
} from '@oncebox/ops/webhook'
