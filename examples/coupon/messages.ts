import { defineMessages } from '@oncebox/core'
import { z } from 'zod'

// The contract between the tills and the coupon service.

export const CouponPresented = z.object({ code: z.string(), customer: z.string() })

export type Presented = z.infer<typeof CouponPresented>

export const messages = defineMessages({
  // Without a key: any worker takes any of them at any time, so that customers race for a coupon.
  'coupon.presented': { topic: 'coupons', schema: CouponPresented },
})

/** The consumer group of the coupon service. */
export const group = 'coupon-service'
