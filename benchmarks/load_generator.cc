// A closed-loop load generator for gRPC: unary calls whose requests are serialized beforehand, so that its own cost is small.
//
//   load_generator TARGET METHOD REQUESTS CONCURRENCY WARM_SECONDS SECONDS [CHANNELS]
//
// TARGET is 127.0.0.1:PORT or unix:PATH: it measures servers of this machine. REQUESTS is a file of [u32, little endian][bytes]
// of that length, used in turns. Prints one line of JSON; times are microseconds. Exits with 1 where nothing answers.
//
//   g++ -O2 -std=c++17 load_generator.cc -o load_generator $(pkg-config --cflags --libs grpc++) -lpthread
//
// (Debian: apt-get install g++ pkg-config libgrpc++-dev)

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kDeadline = std::chrono::seconds(20);
constexpr std::size_t kMostErrors = 1000;

struct Options {
  std::string target;
  std::string method;
  std::string requests;
  int concurrency = 1;
  double warm_seconds = 0;
  double seconds = 1;
  int channels = 1;
};

struct Call {
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
  grpc::ByteBuffer response;
  grpc::Status status;
  Clock::time_point began;
  std::size_t channel = 0;
};

struct Result {
  std::vector<double> latencies;  // microseconds
  std::size_t errors = 0;
  std::size_t response_bytes = 0;
  double seconds = 0;
  double cpu_seconds = 0;
  std::string last_error;
};

double Seconds(Clock::duration span) { return std::chrono::duration<double>(span).count(); }

Clock::duration Span(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + 1e-6 * (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

std::vector<grpc::ByteBuffer> ReadRequests(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<grpc::ByteBuffer> requests;
  std::uint32_t size;
  while (file.read(reinterpret_cast<char*>(&size), sizeof size)) {
    std::string bytes(size, '\0');
    file.read(&bytes[0], size);
    grpc::Slice slice(bytes);
    requests.emplace_back(&slice, 1);
  }
  return requests;
}

std::unique_ptr<grpc::GenericStub> Connect(const std::string& target) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // or all channels would be one connection
  arguments.SetMaxReceiveMessageSize(-1);
  auto channel = grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10))) return nullptr;
  return std::make_unique<grpc::GenericStub>(channel);
}

class Load {
 public:
  Load(const Options& options, std::vector<grpc::ByteBuffer> requests, std::vector<std::unique_ptr<grpc::GenericStub>> stubs)
      : options_(options), requests_(std::move(requests)), stubs_(std::move(stubs)), calls_(options.concurrency) {}

  // Keeps as many calls under way as asked for, until the time is over; counts those that end within it.
  Result Run() {
    const auto measured = Clock::now() + Span(options_.warm_seconds);
    const auto stop = measured + Span(options_.seconds);
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      calls_[i].channel = i % stubs_.size();
      Start(&calls_[i]);
    }
    double cpu_before = -1;
    auto first = measured, last = measured;
    void* tag;
    bool ok;
    while (under_way_ > 0 && queue_.Next(&tag, &ok)) {
      auto* call = static_cast<Call*>(tag);
      const auto now = Clock::now();
      --under_way_;
      if (cpu_before < 0 && now >= measured) {
        cpu_before = CpuSeconds();
        first = now;
      } else if (now >= measured && now <= stop && call->status.ok()) {
        result_.latencies.push_back(Seconds(now - call->began) * 1e6);
        result_.response_bytes = call->response.Length();
        last = now;
      }
      if (!call->status.ok()) {
        result_.last_error = call->status.error_message();
        if (++result_.errors > kMostErrors) break;
      }
      if (now < stop) Start(call);
    }
    result_.seconds = Seconds(last - first);
    result_.cpu_seconds = CpuSeconds() - std::max(0.0, cpu_before);
    return result_;
  }

 private:
  void Start(Call* call) {
    call->context = std::make_unique<grpc::ClientContext>();
    call->context->set_deadline(std::chrono::system_clock::now() + kDeadline);
    call->response.Clear();
    call->began = Clock::now();
    const auto& request = requests_[next_++ % requests_.size()];
    call->reader = stubs_[call->channel]->PrepareUnaryCall(call->context.get(), options_.method, request, &queue_);
    call->reader->StartCall();
    call->reader->Finish(&call->response, &call->status, call);
    ++under_way_;
  }

  Options options_;
  std::vector<grpc::ByteBuffer> requests_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  std::vector<Call> calls_;
  grpc::CompletionQueue queue_;
  std::size_t next_ = 0;
  std::size_t under_way_ = 0;
  Result result_;
};

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, 200)) quoted += (c == '"' || c == '\\' || c < ' ') ? ' ' : c;
  return quoted + "\"";
}

void Print(Result result) {
  auto& times = result.latencies;
  std::sort(times.begin(), times.end());
  const auto quantile = [&](double share) {
    return times.empty() ? 0.0 : times[std::min(times.size() - 1, static_cast<std::size_t>(share * times.size()))];
  };
  const double count = static_cast<double>(times.size());
  std::printf("{\"calls\": %zu, \"calls_per_second\": %.1f, \"errors\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f, "
              "\"client_cpu_us\": %.2f, \"response_bytes\": %zu, \"last_error\": %s}\n",
              times.size(), result.seconds > 0 ? count / result.seconds : 0.0, result.errors, quantile(0.5), quantile(0.99),
              count > 0 ? result.cpu_seconds / count * 1e6 : 0.0, result.response_bytes, Quoted(result.last_error).c_str());
}

int Fail(const std::string& why) {
  std::fprintf(stderr, "load_generator: %s\n", why.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) return Fail("expected TARGET METHOD REQUESTS CONCURRENCY WARM_SECONDS SECONDS [CHANNELS]");
  Options options{argv[1], argv[2], argv[3], std::atoi(argv[4]), std::atof(argv[5]), std::atof(argv[6]), 1};
  if (argc > 7) options.channels = std::atoi(argv[7]);
  if (options.target.rfind("127.0.0.1:", 0) != 0 && options.target.rfind("unix:", 0) != 0) {
    return Fail("TARGET " + options.target + ": expected 127.0.0.1:PORT or unix:PATH");
  }
  if (options.concurrency < 1 || options.channels < 1) return Fail("CONCURRENCY and CHANNELS: expected at least 1");
  auto requests = ReadRequests(options.requests);
  if (requests.empty()) return Fail("REQUESTS " + options.requests + ": no request in it");
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs;
  for (int i = 0; i < options.channels; ++i) {
    stubs.push_back(Connect(options.target));
    if (!stubs.back()) return Fail("nothing answers at " + options.target);
  }
  Load load(options, std::move(requests), std::move(stubs));
  Print(load.Run());
  std::fflush(stdout);
  std::_Exit(0);  // calls may be under way still, and nobody waits for them
}
