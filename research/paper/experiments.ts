import { table5 } from './arc.js'
import type { ExperimentMaker } from './experiment.js'
import { figure2 } from './figure-2.js'
import { figure3 } from './figure-3.js'
import { drift, figure5 } from './figure-5.js'
import { figure10 } from './figure-10.js'
import { keyShift, reanchorEvery } from './our-own.js'
import { figure9 } from './stream-eval.js'
import { table1, table2, table6 } from './tables-1-2-6.js'

/** In the order of the report, which is that of measuring: a quick run that is short of time leaves out the last. */
export const experiments: ExperimentMaker[] = [
  table1,
  table2,
  figure10,
  figure3,
  figure5,
  drift,
  table5,
  figure9,
  table6,
  keyShift,
  reanchorEvery,
  figure2,
]
