import type { BenchCase } from './case.js'
import { chats } from './cases/chats.js'
import { eventLoop } from './cases/event-loop.js'
import { fairness } from './cases/fairness.js'
import { longRun } from './cases/long-run.js'
import { memory } from './cases/memory.js'
import { oldAndYoung } from './cases/old-and-young.js'
import { pace } from './cases/pace.js'
import { prompt } from './cases/prompt.js'
import { speculation } from './cases/speculation.js'
import { start } from './cases/start.js'
import { tokenTimes } from './cases/token-time.js'
import { turns } from './cases/turns.js'

/** All cases, in the order in which they are measured. */
export const cases: BenchCase[] = [
  ...tokenTimes,
  longRun,
  oldAndYoung,
  turns,
  chats,
  prompt,
  start,
  eventLoop,
  memory,
  pace,
  fairness,
  speculation,
]
