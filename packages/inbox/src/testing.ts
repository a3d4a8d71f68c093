export { type ExpectHandledOnceOptions, expectHandledOnce } from './expectHandledOnce.js'
