// The kernels that a cryptographic library runs on x86-64: AES-128 in CTR mode (AES-NI), GHASH (PCLMULQDQ), SHA-1 and SHA-256 (SHA
// extensions), CRC-32C (SSE4.2). Each is checked against its standard's example, then run over a buffer.
// Usage: crypto [iterations]       one iteration = 64 KiB through each kernel

#include <cpuid.h>
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_BYTES = 65536 };

static uint8_t buffer[BUFFER_BYTES + 64];

static void show(const char *name, const void *bytes, int count) {
    printf("%s ", name);
    for (int i = 0; i < count; i++) printf("%02x", ((const uint8_t *)bytes)[i]);
    putchar('\n');
}

static void showWords(const char *name, const uint32_t *words, int count) {
    printf("%s ", name);
    for (int i = 0; i < count; i++) printf("%08x", words[i]);
    putchar('\n');
}

// --- AES-128 (FIPS 197)

static __m128i expandStep(__m128i key, __m128i assist) {
    assist = _mm_shuffle_epi32(assist, 0xff);
    key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
    return _mm_xor_si128(key, assist);
}

static void expandKey(const uint8_t *key, __m128i k[11]) {
    k[0] = _mm_loadu_si128((const __m128i *)key);
#define STEP(i, constant) k[i] = expandStep(k[i - 1], _mm_aeskeygenassist_si128(k[i - 1], constant))
    STEP(1, 0x01), STEP(2, 0x02), STEP(3, 0x04), STEP(4, 0x08), STEP(5, 0x10);
    STEP(6, 0x20), STEP(7, 0x40), STEP(8, 0x80), STEP(9, 0x1b), STEP(10, 0x36);
#undef STEP
}

static __m128i encrypt(const __m128i k[11], __m128i block) {
    block = _mm_xor_si128(block, k[0]);
    for (int i = 1; i < 10; i++) block = _mm_aesenc_si128(block, k[i]);
    return _mm_aesenclast_si128(block, k[10]);
}

static __m128i decrypt(const __m128i k[11], __m128i block) {
    block = _mm_xor_si128(block, k[10]);
    for (int i = 9; i > 0; i--) block = _mm_aesdec_si128(block, _mm_aesimc_si128(k[i]));
    return _mm_aesdeclast_si128(block, k[0]);
}

static void counterMode(const __m128i k[11], uint8_t *bytes, int count, int nonce) {
    for (int i = 0; i < count; i += 16) {
        __m128i stream = encrypt(k, _mm_set_epi32(__builtin_bswap32(i / 16 + 1), nonce, 2, 1));
        __m128i *at = (__m128i *)(bytes + i);
        _mm_storeu_si128(at, _mm_xor_si128(_mm_loadu_si128(at), stream));
    }
}

// --- GHASH (NIST SP 800-38D 6.4): products in GF(2^128), bits in reflected order

static __m128i reflect(__m128i bytes) {
    return _mm_shuffle_epi8(bytes, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

static __m128i multiply(__m128i a, __m128i b) {
    __m128i low = _mm_clmulepi64_si128(a, b, 0x00), high = _mm_clmulepi64_si128(a, b, 0x11);
    __m128i middle = _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x10), _mm_clmulepi64_si128(a, b, 0x01));
    low = _mm_xor_si128(low, _mm_slli_si128(middle, 8));
    high = _mm_xor_si128(high, _mm_srli_si128(middle, 8));
    // One bit to the left: the reflected product has 255 bits.
    __m128i carryLow = _mm_srli_epi32(low, 31), carryHigh = _mm_srli_epi32(high, 31);
    low = _mm_or_si128(_mm_slli_epi32(low, 1), _mm_slli_si128(carryLow, 4));
    high = _mm_or_si128(_mm_slli_epi32(high, 1), _mm_slli_si128(carryHigh, 4));
    high = _mm_or_si128(high, _mm_srli_si128(carryLow, 12));
    // Modulo x^128 + x^7 + x^2 + x + 1.
    __m128i fold = _mm_xor_si128(_mm_xor_si128(_mm_slli_epi32(low, 31), _mm_slli_epi32(low, 30)), _mm_slli_epi32(low, 25));
    __m128i rest = _mm_srli_si128(fold, 4);
    low = _mm_xor_si128(low, _mm_slli_si128(fold, 12));
    __m128i right = _mm_xor_si128(_mm_xor_si128(_mm_srli_epi32(low, 1), _mm_srli_epi32(low, 2)), _mm_xor_si128(_mm_srli_epi32(low, 7), rest));
    return _mm_xor_si128(high, _mm_xor_si128(low, right));
}

static __m128i ghash(__m128i key, __m128i hash, const uint8_t *bytes, int count) {
    for (int i = 0; i < count; i += 16) hash = multiply(_mm_xor_si128(hash, reflect(_mm_loadu_si128((const __m128i *)(bytes + i)))), key);
    return hash;
}

// --- SHA-1 and SHA-256 (FIPS 180-4), one block a call

static void sha1(uint32_t h[5], const uint8_t *block) {
    __m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)h), 0x1b), e = _mm_set_epi32(h[4], 0, 0, 0);
    __m128i w[20], before = abcd, eBefore = e;
    for (int i = 0; i < 4; i++) w[i] = reflect(_mm_loadu_si128((const __m128i *)(block + 16 * i)));
    for (int i = 4; i < 20; i++) w[i] = _mm_sha1msg2_epu32(_mm_xor_si128(_mm_sha1msg1_epu32(w[i - 4], w[i - 3]), w[i - 2]), w[i - 1]);
    __m128i last = abcd;
    for (int i = 0; i < 20; i++) {
        __m128i word = i == 0 ? _mm_add_epi32(e, w[0]) : _mm_sha1nexte_epu32(last, w[i]);
        last = abcd;
        abcd = i < 5 ? _mm_sha1rnds4_epu32(abcd, word, 0) : i < 10 ? _mm_sha1rnds4_epu32(abcd, word, 1)
             : i < 15 ? _mm_sha1rnds4_epu32(abcd, word, 2) : _mm_sha1rnds4_epu32(abcd, word, 3);
    }
    e = _mm_sha1nexte_epu32(last, eBefore);
    _mm_storeu_si128((__m128i *)h, _mm_shuffle_epi32(_mm_add_epi32(abcd, before), 0x1b));
    h[4] = _mm_extract_epi32(e, 3);
}

// FIPS 180-4, 4.2.2
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static void sha256(uint32_t h[8], const uint8_t *block) {
    // The instructions want the state as ABEF and CDGH, A and C on top.
    __m128i abef = _mm_set_epi32(h[0], h[1], h[4], h[5]), cdgh = _mm_set_epi32(h[2], h[3], h[6], h[7]), w[16];
    const __m128i wordsReversed = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    for (int i = 0; i < 4; i++) w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * i)), wordsReversed);
    for (int i = 4; i < 16; i++)
        w[i] = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w[i - 4], w[i - 3]), _mm_alignr_epi8(w[i - 1], w[i - 2], 4)), w[i - 1]);
    for (int i = 0; i < 16; i++) {
        __m128i sum = _mm_add_epi32(w[i], _mm_loadu_si128((const __m128i *)(K + 4 * i)));
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
    }
    h[0] += _mm_extract_epi32(abef, 3), h[1] += _mm_extract_epi32(abef, 2), h[4] += _mm_extract_epi32(abef, 1), h[5] += _mm_extract_epi32(abef, 0);
    h[2] += _mm_extract_epi32(cdgh, 3), h[3] += _mm_extract_epi32(cdgh, 2), h[6] += _mm_extract_epi32(cdgh, 1), h[7] += _mm_extract_epi32(cdgh, 0);
}

static const uint32_t SHA1_START[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
static const uint32_t SHA256_START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// --- what must come out

static int examples(void) {
    int wrong = 0;
    __m128i k[11], block;
    uint8_t key[16], text[16];
    for (int i = 0; i < 16; i++) key[i] = i, text[i] = i * 0x11;
    expandKey(key, k);
    block = encrypt(k, _mm_loadu_si128((__m128i *)text));
    static const uint8_t FIPS_197_C1[16] = {0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a};
    wrong += memcmp(&block, FIPS_197_C1, 16) != 0;
    show("aes-128", &block, 16);
    block = decrypt(k, block);
    wrong += memcmp(&block, text, 16) != 0;

    // "abc", padded to a block.
    uint8_t abc[64] = {'a', 'b', 'c', 0x80};
    abc[63] = 24;
    static const uint32_t SHA1_ABC[5] = {0xa9993e36, 0x4706816a, 0xba3e2571, 0x7850c26c, 0x9cd0d89d};
    static const uint32_t SHA256_ABC[8] = {0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223, 0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad};
    uint32_t h[8];
    memcpy(h, SHA1_START, sizeof SHA1_START);
    sha1(h, abc);
    wrong += memcmp(h, SHA1_ABC, sizeof SHA1_ABC) != 0;
    showWords("sha-1", h, 5);
    memcpy(h, SHA256_START, sizeof h);
    sha256(h, abc);
    wrong += memcmp(h, SHA256_ABC, sizeof h) != 0;
    showWords("sha-256", h, 8);

    // SP 800-38D's second example: H = E(0, 0), one block of ciphertext, lengths.
    memset(key, 0, 16);
    expandKey(key, k);
    static const uint8_t CIPHERTEXT[32] = {0x03, 0x88, 0xda, 0xce, 0x60, 0xb6, 0xa3, 0x92, 0xf3, 0x28, 0xc2, 0xb9, 0x71, 0xb2, 0xfe, 0x78, [31] = 0x80};
    static const uint8_t GHASH[16] = {0xf3, 0x8c, 0xbb, 0x1a, 0xd6, 0x92, 0x23, 0xdc, 0xc3, 0x45, 0x7a, 0xe5, 0xb6, 0xb0, 0xf8, 0x85};
    block = reflect(ghash(reflect(encrypt(k, _mm_setzero_si128())), _mm_setzero_si128(), CIPHERTEXT, 32));
    wrong += memcmp(&block, GHASH, 16) != 0;
    show("ghash", &block, 16);

    uint32_t crc = ~0u;
    for (const char *p = "123456789"; *p; p++) crc = _mm_crc32_u8(crc, *p);
    wrong += ~crc != 0xe3069283;
    printf("crc-32c %08x\n", ~crc);
    return wrong;
}

static void bulk(int iterations) {
    __m128i k[11], hash = _mm_setzero_si128();
    uint8_t key[16];
    for (int i = 0; i < 16; i++) key[i] = 3 * i + 1;
    expandKey(key, k);
    __m128i hashKey = reflect(encrypt(k, _mm_setzero_si128()));
    uint32_t h1[5], h2[8];
    uint64_t crc = 0;
    memcpy(h1, SHA1_START, sizeof h1), memcpy(h2, SHA256_START, sizeof h2);
    for (int n = 0; n < iterations; n++) {
        counterMode(k, buffer, BUFFER_BYTES, n + 3);
        hash = ghash(hashKey, hash, buffer, BUFFER_BYTES);
        for (int i = 0; i < BUFFER_BYTES; i += 64) sha1(h1, buffer + i), sha256(h2, buffer + i);
        for (int i = 0; i < BUFFER_BYTES; i += 8) {
            uint64_t word;
            memcpy(&word, buffer + i, 8);
            crc = _mm_crc32_u64(crc, word);
        }
    }
    show("bulk aes", buffer, 16);
    show("bulk ghash", &hash, 16);
    showWords("bulk sha-1", h1, 5);
    showWords("bulk sha-256", h2, 8);
    printf("bulk crc-32c %08llx\n", (unsigned long long)crc);
}

int main(int argc, char **argv) {
    unsigned eax, ebx, ecx, edx, has;
    __cpuid(1, eax, ebx, ecx, edx);
    has = ecx & bit_AES && ecx & bit_PCLMUL && ecx & bit_SSE4_2 && ecx & bit_SSSE3;
    __cpuid_count(7, 0, eax, ebx, ecx, edx);
    if (!has || !(ebx & bit_SHA)) {
        puts("crypto: this processor has not all of AES, PCLMULQDQ, SHA, SSE4.2");
        return 2;
    }
    int wrong = examples();
    bulk(argc > 1 ? atoi(argv[1]) : 1);
    return wrong ? 1 : 0;
}
