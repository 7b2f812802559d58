// interop FILE [draw|FAULT]: runs the programs in FILE, which check.py has written, as models, and prints a line of JSON each: the log
// density of every site, the total and its gradient; with `draw` a value for every site. programs.py explains the text form.
#include <wick/wick.hpp>

#include <cstdio>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace wick;

namespace {

// --- reading ---------------------------------------------------------------------------------------------------------
struct Reader {
  std::ifstream in;
  std::string word() {
    std::string w;
    if (!(in >> w)) throw std::runtime_error("the file ends too early");
    return w;
  }
  long integer() { return std::stol(word()); }
  double number() { return std::stod(word()); }
  Tensor tensor() {
    Shape shape;
    for (long rank = integer(); rank > 0; --rank) shape.push_back(integer());
    std::vector<double> values(static_cast<std::size_t>(shape.numel()));
    for (double& v : values) v = number();
    return reshape(Tensor(values), shape);
  }
};

using Environment = std::map<std::string, Tensor>;
struct Plate {
  std::string name;
  Index size = 0, dim = 0;
  Tensor subsample;
};

struct Expr {
  std::string head, name;
  Index dim = 0;
  Tensor a, b;
  std::vector<Expr> inputs;
};
struct Statement {
  std::string head, name, family;
  Index event = 0, limit = 0;
  double number = 0;
  Tensor tensor;
  Plate plate;
  std::vector<Expr> inputs;
  std::vector<Statement> body, otherwise;
};

Expr read_expr(Reader& r) {
  Expr e;
  e.head = r.word();
  int inputs = 0;
  if (e.head == "c") {
    e.a = r.number();
  } else if (e.head == "t") {
    e.a = r.tensor();
  } else if (e.head == "v") {
    e.name = r.word();
  } else if (e.head == "sub") {
    e.name = r.word();
    e.dim = r.integer();
    inputs = 1;
  } else if (e.head == "vec") {
    e.a = r.tensor();
    e.b = r.tensor();
    inputs = 1;
  } else {
    inputs = e.head == "add" || e.head == "mul" ? 2 : 1;
  }
  for (int i = 0; i < inputs; ++i) e.inputs.push_back(read_expr(r));
  return e;
}

Plate read_plate(Reader& r) {
  Plate p;
  p.name = r.word();
  p.size = r.integer();
  std::vector<double> subsample(static_cast<std::size_t>(r.integer()));
  for (double& i : subsample) i = r.number();
  if (!subsample.empty()) p.subsample = subsample;
  p.dim = r.integer();
  return p;
}

std::vector<Statement> read_body(Reader& r) {
  std::vector<Statement> body;
  for (std::string head = r.word(); head != "end"; head = r.word()) {
    Statement s;
    s.head = head;
    if (head == "sample") {
      s.name = r.word();
      s.family = r.word();
      s.event = r.integer();
      if (r.integer() != 0) s.tensor = r.tensor();
      const bool two = s.family == "Normal" || s.family == "LogNormal" || s.family == "Uniform" || s.family == "Gamma";
      for (int i = 0; i < (two ? 2 : 1); ++i) s.inputs.push_back(read_expr(r));
    } else if (head == "param") {
      s.name = r.word();
      s.event = r.integer();
      s.tensor = r.tensor();
    } else if (head == "det" || head == "factor") {
      s.name = r.word();
      s.inputs.push_back(read_expr(r));
    } else if (head == "plate" || head == "loop") {
      s.plate = read_plate(r);
      s.body = read_body(r);
    } else if (head == "scale") {
      s.number = r.number();
      s.body = read_body(r);
    } else if (head == "mask") {
      s.tensor = r.tensor();
      s.body = read_body(r);
    } else if (head == "branch") {
      s.name = r.word();
      s.number = r.number();
      s.body = read_body(r);
      s.otherwise = read_body(r);
    } else if (head == "repeat") {
      s.name = r.word();
      s.limit = r.integer();
      s.body = read_body(r);
    } else {
      throw std::runtime_error("unknown statement " + head);
    }
    body.push_back(std::move(s));
  }
  return body;
}

// --- running ---------------------------------------------------------------------------------------------------------
class Model {
 public:
  Model(const std::vector<Statement>& program, const Environment& observed) : program_(program), observed_(observed) {}
  void operator()() const {
    Environment env;
    run(program_, env, "");
  }

 private:
  Tensor value(const Expr& e, const Environment& env) const {
    if (e.head == "c" || e.head == "t") return e.a;
    if (e.head == "v") return env.at(e.name);
    const Tensor x = value(e.inputs[0], env);
    if (e.head == "sub") return take(x, plates_.at(e.name), e.dim);
    if (e.head == "vec") return unsqueeze(x, -1) * e.a + e.b;
    if (e.head == "sumlast") return sum(x, -1);
    if (e.head == "tanh") return tanh(x);
    if (e.head == "sigmoid") return sigmoid(x);
    if (e.head == "softplus") return softplus(x);
    if (e.head == "exp") return exp(x);
    if (e.head == "norm") return x / sum(x, -1, true);
    const Tensor y = value(e.inputs[1], env);
    return e.head == "add" ? x + y : x * y;
  }

  template <class D>
  Tensor draw(const std::string& name, const Statement& s, D d) const {
    if (s.event != 0) d = d.to_event(s.event);
    if (!s.tensor.empty()) d = d.mask(s.tensor);
    const auto given = observed_.find(name);
    return sample(name, d, obs(given == observed_.end() ? Tensor() : given->second));
  }
  Tensor draw(const std::string& name, const Statement& s, const Environment& env) const {
    const Tensor a = value(s.inputs[0], env), b = s.inputs.size() > 1 ? value(s.inputs[1], env) : Tensor();
    if (s.family == "Normal") return draw(name, s, Normal(a, b));
    if (s.family == "LogNormal") return draw(name, s, LogNormal(a, b));
    if (s.family == "HalfNormal") return draw(name, s, HalfNormal(a));
    if (s.family == "HalfCauchy") return draw(name, s, HalfCauchy(a));
    if (s.family == "Uniform") return draw(name, s, Uniform(a, b));
    if (s.family == "Exponential") return draw(name, s, Exponential(a));
    if (s.family == "Gamma") return draw(name, s, Gamma(a, b));
    if (s.family == "BernoulliProbs") return draw(name, s, Bernoulli(a));
    if (s.family == "BernoulliLogits") return draw(name, s, Bernoulli({.logits = a}));
    if (s.family == "CategoricalProbs") return draw(name, s, Categorical(a));
    if (s.family == "CategoricalLogits") return draw(name, s, Categorical({.logits = a}));
    if (s.family == "Poisson") return draw(name, s, Poisson(a));
    throw std::runtime_error("unknown family " + s.family);
  }

  void run(const std::vector<Statement>& body, Environment& env, const std::string& suffix) const {
    for (const Statement& s : body) run(s, env, suffix);
  }
  void run(const Statement& s, Environment& env, const std::string& suffix) const {
    if (s.head == "sample") {
      env[s.name] = draw(s.name + suffix, s, env);
    } else if (s.head == "param") {
      env[s.name] = param(s.name + suffix, s.tensor, constraints::real, {.event_dim = s.event});
    } else if (s.head == "det") {
      env[s.name] = deterministic(s.name + suffix, value(s.inputs[0], env));
    } else if (s.head == "factor") {
      factor(s.name + suffix, value(s.inputs[0], env));
    } else if (s.head == "plate") {
      const plate scope(s.plate.name, s.plate.size, {.subsample = s.plate.subsample, .dim = s.plate.dim});
      plates_[s.plate.name] = scope.indices();
      run(s.body, env, suffix);
    } else if (s.head == "loop") {
      for (const Index i : plate(s.plate.name + suffix, s.plate.size, {.subsample = s.plate.subsample})) {
        Environment inner = env;
        run(s.body, inner, suffix + "_" + std::to_string(i));
      }
    } else if (s.head == "scale") {
      const handlers::scale scope(s.number);
      run(s.body, env, suffix);
    } else if (s.head == "mask") {
      const handlers::mask scope(s.tensor);
      run(s.body, env, suffix);
    } else if (s.head == "branch") {
      Environment inner = env;
      run(env.at(s.name).item() > s.number ? s.body : s.otherwise, inner, suffix);
    } else {
      const Index turns = std::min(static_cast<Index>(env.at(s.name).item()), s.limit);
      for (Index i = 0; i < turns; ++i) {
        Environment inner = env;
        run(s.body, inner, suffix + "_" + std::to_string(i));
      }
    }
  }

  const std::vector<Statement>& program_;
  const Environment& observed_;
  mutable std::map<std::string, Tensor> plates_;
};

/// Gives parameters the values it holds, whole: a plate inside takes its part.
class GiveParams final : public Handler {
 public:
  explicit GiveParams(const handlers::Values& values) : values_(values) { enter(types_of(SiteType::param), no_types); }
  void process(Message& m) override {
    if (const Tensor* v = values_.find(m.name)) {
      m.value = *v;
      m.done = true;
    }
  }

 private:
  const handlers::Values& values_;
};

// --- answers ---------------------------------------------------------------------------------------------------------
std::string list_of(const Tensor& t) {
  std::string out = "[";
  for (Index i = 0; i < t.numel(); ++i) {
    char text[40];
    const double v = t.data()[i];
    std::snprintf(text, sizeof text, "%s%.17g", i == 0 ? "" : ",", v);
    out += v == v ? text : i == 0 ? "NaN" : ",NaN";
  }
  return out + "]";
}
std::string shape_of(const Tensor& t) {
  std::string out = "[";
  for (Index i = 0; i < t.dim(); ++i) out += (i == 0 ? "" : ",") + std::to_string(t.size(i));
  return out + "]";
}
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) out += c == '"' || c == '\\' ? std::string("\\") + c : c == '\n' ? "\\n" : std::string(1, c);
  return out + "\"";
}

struct Named {
  std::string name;
  Tensor value;
};
std::vector<Named> read_values(Reader& r, const std::string& title) {
  if (r.word() != title) throw std::runtime_error("the file does not say " + title);
  std::vector<Named> values(static_cast<std::size_t>(r.integer()));
  for (Named& v : values) {
    v.name = r.word();
    v.value = r.tensor();
  }
  return values;
}

/// The values of one run of the program itself, and the parameters that it met.
std::string drawn(const Model& model) {
  std::string values, params;
  for (const Site& s : handlers::trace(model).get_trace()) {
    const std::string name = quoted(std::string(s.name.view()));
    if (s.type == SiteType::sample) values += (values.empty() ? "" : ",") + name + ":{\"shape\":" + shape_of(s.value) + ",\"values\":" + list_of(s.value) + "}";
    if (s.type == SiteType::param) params += (params.empty() ? "" : ",") + name;
  }
  return "{\"values\":{" + values + "},\"params\":[" + params + "]}";
}

std::string answer(Reader& r, bool draw) {
  const std::vector<Statement> program = read_body(r);
  const std::vector<Named> fixed = read_values(r, "fixed"), observed_list = read_values(r, "observed"), moving = read_values(r, "moving");
  Environment observed;
  for (const Named& v : observed_list) observed[v.name] = v.value;
  const Model model(program, observed);

  Index numbers = 0;
  for (const Named& v : moving) numbers += v.value.numel();
  std::vector<double> start;
  for (const Named& v : moving) start.insert(start.end(), v.value.data(), v.value.data() + v.value.numel());

  const auto run = [&](const Tensor& point) {
    handlers::Values values;
    for (const Named& v : fixed) values.set(v.name, v.value);
    Index at = 0;
    for (const Named& v : moving) {
      values.set(v.name, reshape(slice(point, 0, at, at + v.value.numel()), v.value.shape()));
      at += v.value.numel();
    }
    const GiveParams params(values);
    return handlers::trace(handlers::condition(model, values)).get_trace();
  };

  ParamStore store;
  const ParamScope scope(store);
  if (draw) return drawn(model);
  std::string sites;
  const Tensor point = numbers > 0 ? Tensor(start) : zeros({1});
  const Trace trace = run(point);
  for (const Site& s : trace) {
    if (s.type != SiteType::sample) continue;
    const Tensor lp = s.log_prob();
    sites += (sites.empty() ? "" : ",") + quoted(std::string(s.name.view())) + ":{\"shape\":" + shape_of(lp) + ",\"values\":" + list_of(lp) + "}";
  }
  const auto [total, slope] = value_and_grad([&](const Tensor& p) { return run(p).log_prob_sum(); })(point);
  std::string gradient;
  Index at = 0;
  for (const Named& v : moving) {
    gradient += (gradient.empty() ? "" : ",") + quoted(v.name) + ":" + list_of(slice(slope, 0, at, at + v.value.numel()));
    at += v.value.numel();
  }
  return "{\"sites\":{" + sites + "},\"total\":" + list_of(total).substr(1, list_of(total).size() - 2) + ",\"gradient\":{" + gradient + "}}";
}

void plant([[maybe_unused]] const std::string& fault) {
#ifdef WICK_PLANTED_FAULTS
  if (fault == "plate_scale_dropped") detail::planted_fault = detail::Fault::plate_scale_dropped;
  if (fault == "density_jacobian_missing") detail::planted_fault = detail::Fault::density_jacobian_missing;
#endif
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) throw std::runtime_error("usage: interop FILE [draw|FAULT]");
  const std::string what = argc > 2 ? argv[2] : "";
  plant(what);
  const handlers::seed seeded(20'261'127);
  Reader r{std::ifstream(argv[1])};
  for (std::string word; r.in >> word;) {
    std::string line;
    try {
      line = answer(r, what == "draw");
    } catch (const Error& e) {
      line = "{\"error\":" + quoted(e.what()) + "}";
    }
    std::puts(line.c_str());
  }
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
