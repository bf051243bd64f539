#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "embedder/embedder.h"
#include "engine/engine.h"
#include "event_loop.h"

// Does with one model what JavaScript could do, at random from a seed, on one thread: opens sequences, gives them jobs
// of all kinds, reads their streams fast, slowly or not at all, leaves them, forks and closes, embeds, and closes the
// model in the midst of it. The files of objects in native/ (sequence_object.cpp and its like) allow the same and no
// more.
class RandomProgram {
 public:
  RandomProgram(std::string model, uint32_t seed) : path_(std::move(model)), random_(seed) {}

  // Does so many operations, then reads what is running to its end and closes everything. Throws std::runtime_error
  // where a job has no end, or ends with an error that says that the engine's bookkeeping is wrong.
  void run(int operations);
  // How often each operation was done, and each job ended, by its reason or code.
  const std::map<std::string, int>& counts() const { return counts_; }

 private:
  struct Client {
    std::shared_ptr<streaming::Engine> engine;  // as the objects of a sequence and a stream hold it
    int handle;
    streaming::CachePolicy::Limits limits;
    std::shared_ptr<streaming::TokenStream> stream;  // of its latest job
    std::string job;                                 // the name of the latest
    bool reads = false;                              // its reader waits for what comes, and takes it
    bool closed = false;                             // only its stream is still read
    bool busy() const { return stream && !stream->closed(); }
  };
  struct Saved {
    streaming::CachePolicy::Limits limits;
    std::vector<uint8_t> state;
  };

  void load();
  void operation();
  std::shared_ptr<Client> add(int handle, const streaming::CachePolicy::Limits& limits);
  void open();
  void open_restored();
  void fork(Client& client);
  void start(Client& client);
  void close(const std::shared_ptr<Client>& client);
  void embed();
  void close_model();
  void take(Client& client);
  void wait(const std::shared_ptr<Client>& client);
  void read_to_the_end();
  std::string jobs_at_work() const;  // in words
  streaming::jobs::Any some_work(const Client& client);
  streaming::jobs::Generate some_reply(std::vector<streaming::Token> tokens, std::vector<int> turns);
  streaming::CachePolicy::Limits some_limits();
  std::vector<streaming::Token> some_tokens(int most);
  std::shared_ptr<Client> some(bool busy);
  int below(int bound) { return static_cast<int>(random_() % static_cast<uint32_t>(bound)); }

  const std::string path_;
  std::mt19937 random_;
  std::shared_ptr<EventLoop> loop_ = std::make_shared<EventLoop>();
  std::shared_ptr<streaming::Model> model_;
  std::shared_ptr<streaming::Engine> engine_;
  std::shared_ptr<streaming::Embedder> embedder_;
  std::shared_ptr<std::atomic<bool>> embedding_;  // set to abort it; null: nothing is being embedded
  std::vector<std::shared_ptr<Client>> clients_;
  std::vector<Saved> saved_;
  std::vector<std::thread> closers_;
  std::map<std::string, int> counts_;
};
