// Calls one unary gRPC method with requests that are already serialized, and tells how fast and with what it was answered.
//
//   load_generator TARGET METHOD REQUESTS ANSWERS closed CONCURRENCY WARM_UP SECONDS CHANNELS [KEY=VALUE ...]
//   load_generator TARGET METHOD REQUESTS ANSWERS open   RATE        WARM_UP SECONDS CHANNELS [KEY=VALUE ...]
//
// closed: so many calls in flight, each followed by the next; the latency of a call counts from when it was sent. It goes on
// past SECONDS, up to 20 s, until twice as many calls have ended as are in flight.
// open: so many calls a second, whatever becomes of those before; the latency counts from when the call was due, so that
// a server that answers nothing for a while pays for all that it kept waiting (no coordinated omission).
//
// REQUESTS holds (uint32 length, bytes) of each request; they are sent in turn. ANSWERS is written: (uint32 request,
// uint64 count, uint32 length, bytes) of every distinct answer, warm-up included, for others to judge. KEY=VALUE is sent as
// metadata. Integers are little-endian. Prints one line of JSON; refuses targets beyond this machine.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Metadata = std::vector<std::pair<std::string, std::string>>;

constexpr double kMaxSeconds = 120;
constexpr size_t kMaxDistinct = 100000;
constexpr auto kDeadline = std::chrono::seconds(10);
constexpr double kMostSeconds = 20;
constexpr auto kConnect = std::chrono::seconds(10);

struct Options {
  std::string target, method, requests, answers;
  bool open;
  double pace;  // calls in flight, or a second
  double warm_up, seconds;
  int channels;
  Metadata metadata;
};

struct Call {
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
  grpc::ByteBuffer response;
  grpc::Status status;
  Clock::time_point due;
  size_t request;
  size_t channel;
};

Clock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

double Micros(Clock::duration duration) { return std::chrono::duration<double, std::micro>(duration).count(); }

double CpuSeconds() {
  rusage used;
  getrusage(RUSAGE_SELF, &used);
  return used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1e-6 * (used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

std::vector<grpc::ByteBuffer> ReadRequests(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<grpc::ByteBuffer> requests;
  uint32_t length;
  while (file.read(reinterpret_cast<char*>(&length), sizeof length)) {
    std::string bytes(length, 0);
    file.read(bytes.data(), length);
    grpc::Slice slice(bytes);
    requests.emplace_back(&slice, 1);
  }
  return requests;
}

std::string Bytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (buffer.Dump(&slices).ok()) {
    for (const auto& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// Every distinct answer to every request, and how often it came. Used by one thread.
class Answers {
 public:
  explicit Answers(size_t requests) : seen_(requests) {}

  void Add(size_t request, const grpc::ByteBuffer& response) {
    auto& seen = seen_[request];
    std::string bytes = Bytes(response);
    auto found = seen.find(bytes);
    if (found != seen.end()) {
      ++found->second;
    } else if (distinct_ < kMaxDistinct) {
      seen.emplace(std::move(bytes), 1);
      ++distinct_;
    } else {
      ++unseen_;
    }
  }

  void Write(const std::string& path) const {
    std::ofstream file(path, std::ios::binary);
    for (uint32_t request = 0; request < seen_.size(); ++request) {
      for (const auto& [bytes, count] : seen_[request]) {
        const uint32_t length = bytes.size();
        file.write(reinterpret_cast<const char*>(&request), sizeof request);
        file.write(reinterpret_cast<const char*>(&count), sizeof count);
        file.write(reinterpret_cast<const char*>(&length), sizeof length);
        file.write(bytes.data(), length);
      }
    }
  }

  size_t distinct() const { return distinct_; }
  size_t unseen() const { return unseen_; }

 private:
  std::vector<std::unordered_map<std::string, uint64_t>> seen_;
  size_t distinct_ = 0, unseen_ = 0;
};

// Sends calls and collects their ends. `Send` may be used by one thread and `Collect` by another.
class Load {
 public:
  Load(const Options& options, std::vector<grpc::ByteBuffer> requests)
      : options_(options), requests_(std::move(requests)), answers_(requests_.size()) {}

  bool Connect() {
    for (int i = 0; i < options_.channels; ++i) {
      grpc::ChannelArguments arguments;
      arguments.SetInt("grpc.use_local_subchannel_pool", 1);  // a connection for each channel
      arguments.SetMaxReceiveMessageSize(-1);
      auto channel = grpc::CreateCustomChannel(options_.target, grpc::InsecureChannelCredentials(), arguments);
      if (!channel->WaitForConnected(std::chrono::system_clock::now() + kConnect)) return false;
      stubs_.push_back(std::make_unique<grpc::GenericStub>(channel));
    }
    return true;
  }

  void Run() {
    start_ = Clock::now();
    measured_from_ = start_ + Seconds(options_.warm_up);
    until_ = measured_from_ + Seconds(options_.seconds);
    if (options_.open) {
      std::thread sender([this] { SendAtRate(); });
      Collect(/*send_next=*/false);
      sender.join();
    } else {
      for (int i = 0; i < options_.pace; ++i) {
        Send(NewCall(i), Clock::now());
      }
      sent_all_ = true;
      Collect(/*send_next=*/true);
    }
    cpu_end_ = CpuSeconds();
  }

  void Print() {
    answers_.Write(options_.answers);
    std::sort(latencies_.begin(), latencies_.end());
    std::sort(delays_.begin(), delays_.end());
    for (auto& c : failure_) {
      if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < ' ') c = ' ';
    }
    const double seconds = Micros(last_ - measured_from_) / 1e6;
    printf(
        "{\"calls\": %zu, \"answered\": %zu, \"failed\": %zu, \"per_second\": %.2f, \"p50_us\": %.1f, \"p90_us\": %.1f, "
        "\"p99_us\": %.1f, \"max_us\": %.1f, \"sent_late_p99_us\": %.1f, \"client_cpu_us\": %.2f, \"distinct\": %zu, "
        "\"unseen\": %zu, \"failure\": \"%.200s\"}\n",
        calls_, latencies_.size(), failed_, seconds > 0 ? latencies_.size() / seconds : 0, Quantile(latencies_, .5),
        Quantile(latencies_, .9), Quantile(latencies_, .99), Quantile(latencies_, 1), Quantile(delays_, .99),
        calls_ ? 1e6 * cpu_end_ / calls_ : 0, answers_.distinct(), answers_.unseen(), failure_.c_str());
    fflush(stdout);
  }

 private:
  static double Quantile(const std::vector<float>& sorted, double share) {
    return sorted.empty() ? 0 : sorted[std::min(sorted.size() - 1, static_cast<size_t>(share * sorted.size()))];
  }

  Call* NewCall(size_t number) {
    auto* call = new Call;
    call->channel = number % stubs_.size();
    return call;
  }

  void Send(Call* call, Clock::time_point due) {
    call->context = std::make_unique<grpc::ClientContext>();
    call->context->set_deadline(std::chrono::system_clock::now() + kDeadline);
    for (const auto& [key, value] : options_.metadata) call->context->AddMetadata(key, value);
    call->response.Clear();
    call->due = due;
    call->request = next_++ % requests_.size();
    ++in_flight_;
    call->reader = stubs_[call->channel]->PrepareUnaryCall(call->context.get(), options_.method,
                                                           requests_[call->request], &queue_);
    call->reader->StartCall();
    call->reader->Finish(&call->response, &call->status, call);
  }

  void SendAtRate() {
    prctl(PR_SET_TIMERSLACK, 1000);  // nanoseconds
    const auto calls = static_cast<uint64_t>((options_.warm_up + options_.seconds) * options_.pace);
    for (uint64_t i = 0; i < calls; ++i) {
      const auto due = start_ + Seconds(i / options_.pace);
      std::this_thread::sleep_until(due);
      delays_.push_back(Micros(Clock::now() - due));
      Send(NewCall(i), due);
    }
    sent_all_ = true;
  }

  void Collect(bool send_next) {
    void* tag;
    bool ok;
    while (!sent_all_ || in_flight_ > 0) {
      const auto soon = std::chrono::system_clock::now() + std::chrono::milliseconds(100);
      if (queue_.AsyncNext(&tag, &ok, soon) != grpc::CompletionQueue::GOT_EVENT) continue;
      auto* call = static_cast<Call*>(tag);
      const auto now = Clock::now();
      const bool goes_on = GoesOn(now);
      ++calls_;
      if (call->status.ok()) {
        answers_.Add(call->request, call->response);
        if (options_.open ? call->due >= measured_from_ : now >= measured_from_ && goes_on) {
          latencies_.push_back(Micros(now - call->due));
          last_ = now;
        }
      } else {
        ++failed_;
        failure_ = call->status.error_message();
      }
      if (send_next && goes_on) {
        Send(call, now);
      } else {
        delete call;
      }
      --in_flight_;
    }
  }

  // Tells whether a closed loop sends the next call, and counts the one that has just ended.
  bool GoesOn(Clock::time_point now) const {
    if (failed_ >= 1000) return false;
    return now < until_ || (latencies_.size() < 2 * options_.pace && now < start_ + Seconds(kMostSeconds));
  }

  const Options options_;
  const std::vector<grpc::ByteBuffer> requests_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  grpc::CompletionQueue queue_;
  Answers answers_;
  Clock::time_point start_, measured_from_, until_, last_{};
  std::atomic<size_t> in_flight_{0};
  std::atomic<bool> sent_all_{false};
  size_t next_ = 0, calls_ = 0, failed_ = 0;
  std::vector<float> latencies_, delays_;  // microseconds
  std::string failure_;
  double cpu_end_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 10 || (std::string(argv[5]) != "open" && std::string(argv[5]) != "closed")) {
    fprintf(stderr, "usage: %s TARGET METHOD REQUESTS ANSWERS closed|open PACE WARM_UP SECONDS CHANNELS [KEY=VALUE ...]\n",
            argv[0]);
    return 2;
  }
  Options options{argv[1], argv[2], argv[3], argv[4], std::string(argv[5]) == "open", atof(argv[6]), atof(argv[7]),
                  std::min(kMaxSeconds, atof(argv[8])), atoi(argv[9]), {}};
  for (int i = 10; i < argc; ++i) {
    const std::string pair = argv[i];
    const auto at = pair.find('=');
    options.metadata.emplace_back(pair.substr(0, at), pair.substr(at + 1));
  }
  if (options.target.rfind("127.0.0.1:", 0) != 0 && options.target.rfind("unix:", 0) != 0) {
    fprintf(stderr, "%s is not on this machine: give 127.0.0.1:PORT or unix:PATH\n", options.target.c_str());
    return 2;
  }
  auto requests = ReadRequests(options.requests);
  if (requests.empty() || options.pace <= 0 || options.channels < 1) {
    fprintf(stderr, "%s holds no requests, or PACE or CHANNELS is not above 0\n", options.requests.c_str());
    return 2;
  }
  Load load(options, std::move(requests));
  if (!load.Connect()) {
    fprintf(stderr, "nothing answers at %s\n", options.target.c_str());
    return 1;
  }
  load.Run();
  load.Print();
  _exit(0);  // gRPC's own threads need not be waited for
}
