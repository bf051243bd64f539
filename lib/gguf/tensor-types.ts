/** How a type of tensor lies in memory: `blockSize` elements of a row take `blockBytes` bytes. */
export interface TensorType {
  name: string
  blockSize: number
  blockBytes: number
}

// Quantizations of the K and I series share one block size.
const superBlock = 256

const plain = (name: string, bytes: number): TensorType => ({ name, blockSize: 1, blockBytes: bytes })
const blocks = (name: string, blockSize: number, blockBytes: number): TensorType => ({ name, blockSize, blockBytes })

/**
 * All tensor types of the llama.cpp that this library is built for, by the number in the file.
 * Numbers that are missing were types once (4, 5, 31 to 33, 36 to 38) and are refused by llama.cpp too.
 */
export const tensorTypes: ReadonlyMap<number, TensorType> = new Map([
  [0, plain('F32', 4)],
  [1, plain('F16', 2)],
  [2, blocks('Q4_0', 32, 18)],
  [3, blocks('Q4_1', 32, 20)],
  [6, blocks('Q5_0', 32, 22)],
  [7, blocks('Q5_1', 32, 24)],
  [8, blocks('Q8_0', 32, 34)],
  [9, blocks('Q8_1', 32, 36)],
  [10, blocks('Q2_K', superBlock, 84)],
  [11, blocks('Q3_K', superBlock, 110)],
  [12, blocks('Q4_K', superBlock, 144)],
  [13, blocks('Q5_K', superBlock, 176)],
  [14, blocks('Q6_K', superBlock, 210)],
  [15, blocks('Q8_K', superBlock, 292)],
  [16, blocks('IQ2_XXS', superBlock, 66)],
  [17, blocks('IQ2_XS', superBlock, 74)],
  [18, blocks('IQ3_XXS', superBlock, 98)],
  [19, blocks('IQ1_S', superBlock, 50)],
  [20, blocks('IQ4_NL', 32, 18)],
  [21, blocks('IQ3_S', superBlock, 110)],
  [22, blocks('IQ2_S', superBlock, 82)],
  [23, blocks('IQ4_XS', superBlock, 136)],
  [24, plain('I8', 1)],
  [25, plain('I16', 2)],
  [26, plain('I32', 4)],
  [27, plain('I64', 8)],
  [28, plain('F64', 8)],
  [29, blocks('IQ1_M', superBlock, 56)],
  [30, plain('BF16', 2)],
  [34, blocks('TQ1_0', superBlock, 54)],
  [35, blocks('TQ2_0', superBlock, 66)],
  [39, blocks('MXFP4', 32, 17)],
  [40, blocks('NVFP4', 64, 36)],
  [41, blocks('Q1_0', 128, 18)],
  [42, blocks('Q2_0', 64, 18)],
])
