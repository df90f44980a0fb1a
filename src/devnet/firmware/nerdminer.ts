import { z } from 'zod'
import { coinbaseStep } from './cgminer.ts'
import type { Firmware } from './firmware.ts'
import { FirmwareFailure } from './rig.ts'
import { demand, demandJob, nextMustAnswer, readSubscription, submitShare } from './steps.ts'

/** The document that a line is parsed into. */
const DOCUMENT_BYTES = 4096
/** 512 hex digits and the end: what is beyond is cut off in silence. */
const COINBASE_BYTES_MAX = 255

/** It reads `[0][0][1]` of the result and asks for no more. */
const nested = z.tuple([z.tuple([z.tuple([z.unknown(), z.string()])]).rest(z.unknown())])

/** A chip of five dollars: fixed memory, and no line read that is not expected. */
export const NERDMINER: Firmware = {
  name: 'NerdMiner',
  quirks: () => ({
    hear: ({ line, method }) => {
      const bytes = Buffer.byteLength(line)
      if (method === 'mining.notify' && bytes > DOCUMENT_BYTES)
        throw new FirmwareFailure(`a job of ${bytes} bytes does not fit into its memory`)
    },
  }),
  steps: [
    {
      title: 'subscribes with id 1, and reads exactly one line',
      source: 'BitMaker-hub/NerdMiner_v2 src/stratum.cpp, tx_mining_subscribe',
      act: async rig => {
        await rig.connect()
        rig.send(1, 'mining.subscribe', ['NerdMinerV2/1.7.0'])
        const answer = await nextMustAnswer(rig, 1)
        const isNested = nested.safeParse([Object(answer.result)[0]]).success
        demand(isNested, 'there is no result[0][0][1]')
        readSubscription(rig, answer)
      },
    },
    {
      title: 'authorizes with id 2 and wishes a difficulty, and reads neither answer',
      source: 'BitMaker-hub/NerdMiner_v2 src/stratum.cpp, tx_mining_auth',
      act: async rig => {
        rig.send(2, 'mining.authorize', [rig.target.user, rig.target.password])
        rig.send(3, 'mining.suggest_difficulty', [0.00015])
        await demandJob(rig)
      },
    },
    coinbaseStep(COINBASE_BYTES_MAX, 'BitMaker-hub/NerdMiner_v2 #809, PR #807, PR #820'),
    {
      title: 'submits its nonce without leading zeros',
      source: 'BitMaker-hub/NerdMiner_v2 #750',
      act: rig => submitShare(rig, { id: 4, spellNonce: nonce => nonce.replace(/^0+(?=.)/, '') }),
    },
    {
      title: 'keeps the connection alive by wishing a difficulty',
      source: 'BitMaker-hub/NerdMiner_v2 src/mining.cpp',
      act: async rig => {
        rig.send(5, 'mining.suggest_difficulty', [0.00015])
        await rig.answerTo(5)
      },
    },
  ],
}
