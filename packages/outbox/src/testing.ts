export { type EmittedMessage, type ExpectEmittedOptions, type ExpectedMessage, expectEmitted } from './expectEmitted.js'
