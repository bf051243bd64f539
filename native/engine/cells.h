#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/sequence_id.h"
#include "llama/batch.h"
#include "support/tokens.h"

namespace streaming {

// The cells of a KV cache, named by sequence ids: llama.cpp's (llama_context.h), or a test's own. Ranges of positions
// are [from, to), -1 stands for the first or behind the last position. On the engine's thread.
class Cells {
 public:
  // Throws Failure NO_SEQUENCE_LEFT.
  virtual SequenceId take_id() = 0;
  // False: this memory cannot remove a part.
  virtual bool remove(const SequenceId& id, Position from, Position to) = 0;
  // Metadata only: the two share those cells.
  virtual void copy(const SequenceId& from_id, const SequenceId& to_id, Position from, Position to) = 0;
  // A recurrent state alone, which knows no positions.
  virtual void copy_state(const SequenceId& from_id, const SequenceId& to_id) = 0;
  virtual Position newest(const SequenceId& id) const = 0;  // -1: there is none
  virtual Position oldest(const SequenceId& id) const = 0;
  // Bytes of all cells under the id, and of the part that windowed layers hold.
  virtual size_t size_of(const SequenceId& id) const = 0;
  virtual size_t windowed_size_of(const SequenceId& id) const = 0;
  // The cells under the id, as bytes; empty if they cannot be read.
  virtual std::vector<uint8_t> read(const SequenceId& id) const = 0;
  // Writes such bytes under the id. Returns how many were read; 0: it failed, and some of the cells may have been
  // written.
  virtual size_t write(const SequenceId& id, const std::vector<uint8_t>& bytes) = 0;

  virtual int batch_size() const = 0;
  // Throws Failure CLOSED, DECODE_FAILED; then the cache may hold a part of the batch.
  virtual void decode(Batch& batch) = 0;

 protected:
  ~Cells() = default;
};

}  // namespace streaming
