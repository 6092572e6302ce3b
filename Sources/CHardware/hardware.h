// What Swift cannot say: which instructions the program is built for, which ones the processor has, prefetching and waiting.
#ifndef CHARDWARE_H
#define CHARDWARE_H

#include <sched.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

// Whether a fused multiply-add is one instruction rather than a call of the C library.
static inline __attribute__((always_inline)) int CHardware_fuses(void) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return 1;
#else
    return 0;
#endif
}

// Whether a register holds sixteen floats, and there are thirty-two of them.
static inline __attribute__((always_inline)) int CHardware_isWide(void) {
#if defined(__AVX512F__)
    return 1;
#else
    return 0;
#endif
}

// Whether one instruction adds the products of two pairs of bf16 numbers to each of sixteen floats.
static inline __attribute__((always_inline)) int CHardware_multipliesPairs(void) {
#if defined(__AVX512BF16__)
    return 1;
#else
    return 0;
#endif
}

// Sixteen floats, or as many pairs of bf16 numbers in their place.
typedef float CHardware_Vector __attribute__((ext_vector_type(16)));

// Returns sums + the products of both members of each pair; only where CHardware_multipliesPairs.
static inline __attribute__((always_inline)) CHardware_Vector CHardware_addPairs(
    CHardware_Vector sums, CHardware_Vector a, CHardware_Vector b) {
#if defined(__AVX512BF16__)
    return (CHardware_Vector)_mm512_dpbf16_ps((__m512)sums, (__m512bh)a, (__m512bh)b);
#else
    __builtin_trap();
#endif
}

// Returns pairs of `first` and `second`, rounded to nearest, ties to even; only where CHardware_multipliesPairs.
static inline __attribute__((always_inline)) CHardware_Vector CHardware_pairs(
    CHardware_Vector first, CHardware_Vector second) {
#if defined(__AVX512BF16__)
    const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)first));
    const __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)second));
    return (CHardware_Vector)_mm512_or_si512(low, _mm512_slli_epi32(high, 16));
#else
    __builtin_trap();
#endif
}

// Writes sixteen floats as eight pairs of neighbours, rounded likewise, to an address that is a multiple of 32; only where
// CHardware_multipliesPairs.
static inline __attribute__((always_inline)) void CHardware_storePairs(CHardware_Vector values, float *address) {
#if defined(__AVX512BF16__)
    _mm256_store_si256((__m256i *)address, (__m256i)_mm512_cvtneps_pbh((__m512)values));
#else
    __builtin_trap();
#endif
}

// Brings the line at an address, which need not be there, into the second cache.
static inline __attribute__((always_inline)) void CHardware_prefetch(const void *address) {
    __builtin_prefetch(address, 0, 2);
}

// Writes a line of 64 bytes past the caches, without reading it first; other threads see it after CHardware_endStream.
static inline __attribute__((always_inline)) void CHardware_stream(CHardware_Vector value, void *line) {
    __builtin_nontemporal_store(value, (CHardware_Vector *)line);
}

// Brings this thread's streamed lines in front of all that it writes from here on.
static inline __attribute__((always_inline)) void CHardware_endStream(void) {
#if defined(__x86_64__)
    __builtin_ia32_sfence();
#endif
}

// Tells the processor that this thread waits for another one's write.
static inline __attribute__((always_inline)) void CHardware_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// Lets another thread run.
static inline void CHardware_yield(void) { sched_yield(); }

// What the program is built for: 1 to 4 for x86-64-v1 to -v4, 0 for other machines.
static inline int CHardware_builtLevel(void) {
#if defined(__AVX512F__)
    return 4;
#elif defined(__AVX2__)
    return 3;
#elif defined(__x86_64__)
    return 1;
#else
    return 0;
#endif
}

// What the processor and its operating system offer, counted alike; instructions beyond a level do not count.
static inline int CHardware_level(void) {
#if defined(__x86_64__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 1;
    const unsigned first = c;
    const unsigned savesState = 1u << 27, avx = 1u << 28, fma = 1u << 12, half = 1u << 29;
    if ((first & (savesState | avx | fma | half)) != (savesState | avx | fma | half)) return 1;
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 1;
    const unsigned avx2 = 1u << 5, bits = 1u << 3 | 1u << 8;
    if ((b & (avx2 | bits)) != (avx2 | bits)) return 1;
    const unsigned wide = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
    return (low & 0xe6) == 0xe6 && (b & wide) == wide ? 4 : 3;
#else
    return 0;
#endif
}

// Whether the processor has the instructions that CHardware_multipliesPairs asks of the build.
static inline int CHardware_hasPairs(void) {
#if defined(__x86_64__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    return CHardware_level() == 4 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 5) != 0;
#else
    return 0;
#endif
}

#endif
