/**
 * What the macaroons of docs/lightning.md allow, as that page says it: the pool looks, the signer
 * pays.
 */
const LOOKS = [
  '/lnrpc.Lightning/GetInfo',
  '/lnrpc.Lightning/ListChannels',
  '/lnrpc.Lightning/ListPayments',
  '/lnrpc.Lightning/DecodePayReq',
  '/routerrpc.Router/TrackPaymentV2',
]
export const LND_READ_METHODS: readonly string[] = [
  ...LOOKS,
  '/lnrpc.Lightning/ChannelBalance',
  '/lnrpc.Lightning/GetTransactions',
]
export const LND_PAY_METHODS: readonly string[] = [...LOOKS, '/routerrpc.Router/SendPaymentV2']
