// Times oneDNN's Winograd convolutions at the stride-1 shapes of a ResNet-18: forward, input gradient, weight gradient.
// Arguments: images, width, repetitions. Prints CSV: work,median_seconds,min_seconds,max_seconds,gflop_per_second,implementation.
// Every work runs once, then in turn; filters are transformed in each call, which is the only way oneDNN has.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unordered_map>
#include <vector>

#include "dnnl.hpp"

using namespace dnnl;
using Arguments = std::unordered_map<int, memory>;

struct Work {
    std::string name, implementation;
    double operations;
    primitive run;
    Arguments arguments;
    std::vector<double> seconds;
};

static memory filled(const memory::desc &description, const engine &engine) {
    memory result(description, engine);
    auto values = static_cast<float *>(result.get_data_handle());
    unsigned state = 1;
    for (size_t index = 0; index < description.get_size() / sizeof(float); ++index) {
        state = state * 1664525u + 1013904223u;
        values[index] = float(state >> 8) / float(1 << 24) - 0.5f;
    }
    return result;
}

int main(int count, char **texts) {
    if (count != 4) {
        std::fprintf(stderr, "usage: %s IMAGES WIDTH REPETITIONS\n", texts[0]);
        return 2;
    }
    const int images = std::atoi(texts[1]), width = std::atoi(texts[2]), repetitions = std::atoi(texts[3]);
    engine engine(engine::kind::cpu, 0);
    stream stream(engine);
    std::vector<Work> works;
    const auto f32 = memory::data_type::f32;
    const auto any = memory::format_tag::any;
    for (int stage = 0; stage < 4; ++stage) {
        const int channels = width << stage, side = 32 >> stage;
        const memory::dims shape{images, channels, side, side}, filter{channels, channels, 3, 3};
        const memory::dims ones{1, 1};
        const memory::desc x(shape, f32, any), w(filter, f32, any), y(shape, f32, any);
        const double operations = 2.0 * images * side * side * 9.0 * channels * channels;
        const std::string name = std::to_string(channels) + "@" + std::to_string(side);
        try {
            convolution_forward::primitive_desc forward(
                {prop_kind::forward_training, algorithm::convolution_winograd, x, w, y, ones, ones, ones}, engine);
            works.push_back({name + " forward", forward.impl_info_str(), operations, convolution_forward(forward),
                {{DNNL_ARG_SRC, filled(forward.src_desc(), engine)},
                    {DNNL_ARG_WEIGHTS, filled(forward.weights_desc(), engine)},
                    {DNNL_ARG_DST, filled(forward.dst_desc(), engine)}}, {}});
            convolution_backward_data::primitive_desc back(
                {algorithm::convolution_winograd, x, w, y, ones, ones, ones}, engine, forward);
            works.push_back({name + " input gradient", back.impl_info_str(), operations,
                convolution_backward_data(back),
                {{DNNL_ARG_DIFF_DST, filled(back.diff_dst_desc(), engine)},
                    {DNNL_ARG_WEIGHTS, filled(back.weights_desc(), engine)},
                    {DNNL_ARG_DIFF_SRC, filled(back.diff_src_desc(), engine)}}, {}});
            convolution_backward_weights::primitive_desc weights(
                {algorithm::convolution_winograd, x, w, y, ones, ones, ones}, engine, forward);
            works.push_back({name + " weight gradient", weights.impl_info_str(), operations,
                convolution_backward_weights(weights),
                {{DNNL_ARG_DIFF_DST, filled(weights.diff_dst_desc(), engine)},
                    {DNNL_ARG_SRC, filled(weights.src_desc(), engine)},
                    {DNNL_ARG_DIFF_WEIGHTS, filled(weights.diff_weights_desc(), engine)}}, {}});
        } catch (const error &problem) {
            std::fprintf(stderr, "%s: oneDNN has no Winograd convolution here: %s\n", name.c_str(), problem.what());
            return 1;
        }
    }
    for (int repetition = 0; repetition <= repetitions; ++repetition) {
        for (auto &work : works) {
            const auto start = std::chrono::steady_clock::now();
            work.run.execute(stream, work.arguments);
            stream.wait();
            const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
            if (repetition > 0) work.seconds.push_back(time.count());
        }
    }
    std::printf("work,median_seconds,min_seconds,max_seconds,gflop_per_second,implementation\n");
    for (auto &work : works) {
        std::sort(work.seconds.begin(), work.seconds.end());
        const double median = work.seconds[work.seconds.size() / 2];
        std::printf("%s,%.9g,%.9g,%.9g,%.6g,%s\n", work.name.c_str(), median, work.seconds.front(),
            work.seconds.back(), work.operations / median / 1e9, work.implementation.c_str());
    }
    return 0;
}
