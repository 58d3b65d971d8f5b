// The state of compressions side by side is V0 to V15, their message V16 to V31:
// one register for each word, and one lane for each compression. Who includes
// this says by V which registers those are.

#include "textflag.h"

// lanes are their own numbers, iv the initial values of BLAKE3 (those of SHA-256).
DATA lanes<>+0(SB)/4, $0
DATA lanes<>+4(SB)/4, $1
DATA lanes<>+8(SB)/4, $2
DATA lanes<>+12(SB)/4, $3
DATA lanes<>+16(SB)/4, $4
DATA lanes<>+20(SB)/4, $5
DATA lanes<>+24(SB)/4, $6
DATA lanes<>+28(SB)/4, $7
DATA lanes<>+32(SB)/4, $8
DATA lanes<>+36(SB)/4, $9
DATA lanes<>+40(SB)/4, $10
DATA lanes<>+44(SB)/4, $11
DATA lanes<>+48(SB)/4, $12
DATA lanes<>+52(SB)/4, $13
DATA lanes<>+56(SB)/4, $14
DATA lanes<>+60(SB)/4, $15
GLOBL lanes<>(SB), RODATA|NOPTR, $64
DATA iv<>+0(SB)/4, $0x6a09e667
DATA iv<>+4(SB)/4, $0xbb67ae85
DATA iv<>+8(SB)/4, $0x3c6ef372
DATA iv<>+12(SB)/4, $0xa54ff53a
DATA iv<>+16(SB)/4, $0x510e527f
DATA iv<>+20(SB)/4, $0x9b05688c
DATA iv<>+24(SB)/4, $0x1f83d9ab
DATA iv<>+28(SB)/4, $0x5be0cd19
GLOBL iv<>(SB), RODATA|NOPTR, $32

// HALVES is half of the quarter round G on four columns or diagonals.
#define HALVES(a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, x0, x1, x2, x3, p, q) \
	VPADDD x0, a0, a0; VPADDD x1, a1, a1; VPADDD x2, a2, a2; VPADDD x3, a3, a3; \
	VPADDD b0, a0, a0; VPADDD b1, a1, a1; VPADDD b2, a2, a2; VPADDD b3, a3, a3; \
	VPXORD a0, d0, d0; VPXORD a1, d1, d1; VPXORD a2, d2, d2; VPXORD a3, d3, d3; \
	VPRORD $p, d0, d0; VPRORD $p, d1, d1; VPRORD $p, d2, d2; VPRORD $p, d3, d3; \
	VPADDD d0, c0, c0; VPADDD d1, c1, c1; VPADDD d2, c2, c2; VPADDD d3, c3, c3; \
	VPXORD c0, b0, b0; VPXORD c1, b1, b1; VPXORD c2, b2, b2; VPXORD c3, b3, b3; \
	VPRORD $q, b0, b0; VPRORD $q, b1, b1; VPRORD $q, b2, b2; VPRORD $q, b3, b3

#define COLUMNS(x0, x1, x2, x3, p, q) \
	HALVES(V0, V1, V2, V3, V4, V5, V6, V7, V8, V9, V10, V11, V12, V13, V14, V15, x0, x1, x2, x3, p, q)

#define DIAGONALS(x0, x1, x2, x3, p, q) \
	HALVES(V0, V1, V2, V3, V5, V6, V7, V4, V10, V11, V8, V9, V15, V12, V13, V14, x0, x1, x2, x3, p, q)

#define ROUND(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15) \
	COLUMNS(m0, m2, m4, m6, 16, 12); \
	COLUMNS(m1, m3, m5, m7, 8, 7); \
	DIAGONALS(m8, m10, m12, m14, 16, 12); \
	DIAGONALS(m9, m11, m13, m15, 8, 7)

// COMPRESS makes the chaining values in V0 to V7 of the state and the message.
#define COMPRESS \
	ROUND(V16, V17, V18, V19, V20, V21, V22, V23, V24, V25, V26, V27, V28, V29, V30, V31); \
	ROUND(V18, V22, V19, V26, V23, V16, V20, V29, V17, V27, V28, V21, V25, V30, V31, V24); \
	ROUND(V19, V20, V26, V28, V29, V18, V23, V30, V22, V21, V25, V16, V27, V31, V24, V17); \
	ROUND(V26, V23, V28, V25, V30, V19, V29, V31, V20, V16, V27, V18, V21, V24, V17, V22); \
	ROUND(V28, V29, V25, V27, V31, V26, V30, V24, V23, V18, V21, V19, V16, V17, V22, V20); \
	ROUND(V25, V30, V27, V21, V24, V28, V31, V17, V29, V19, V16, V26, V18, V22, V20, V23); \
	ROUND(V27, V31, V21, V16, V17, V25, V24, V22, V30, V26, V18, V28, V19, V20, V23, V29); \
	VPXORD V8, V0, V0; VPXORD V9, V1, V1; VPXORD V10, V2, V2; VPXORD V11, V3, V3; \
	VPXORD V12, V4, V4; VPXORD V13, V5, V5; VPXORD V14, V6, V6; VPXORD V15, V7, V7

// START has every compression begin with the chaining value of none.
#define START \
	VPBROADCASTD iv<>+0(SB), V0; VPBROADCASTD iv<>+4(SB), V1; \
	VPBROADCASTD iv<>+8(SB), V2; VPBROADCASTD iv<>+12(SB), V3; \
	VPBROADCASTD iv<>+16(SB), V4; VPBROADCASTD iv<>+20(SB), V5; \
	VPBROADCASTD iv<>+24(SB), V6; VPBROADCASTD iv<>+28(SB), V7

#define CONSTANTS \
	VPBROADCASTD iv<>+0(SB), V8; VPBROADCASTD iv<>+4(SB), V9; \
	VPBROADCASTD iv<>+8(SB), V10; VPBROADCASTD iv<>+12(SB), V11

// QUADS exchanges rows and columns of four by four words in each quarter of
// four registers.
#define QUADS(r0, r1, r2, r3) \
	VPUNPCKLDQ r1, r0, V8; VPUNPCKHDQ r1, r0, V9; \
	VPUNPCKLDQ r3, r2, V10; VPUNPCKHDQ r3, r2, V11; \
	VPUNPCKLQDQ V10, V8, r0; VPUNPCKHQDQ V10, V8, r1; \
	VPUNPCKLQDQ V11, V9, r2; VPUNPCKHQDQ V11, V9, r3

// STORE has a chaining value go to where K1 has a one.
#define STORE(group) \
	VMOVDQU32 V0, K1, (group); VMOVDQU32 V1, K1, 64(group); \
	VMOVDQU32 V2, K1, 128(group); VMOVDQU32 V3, K1, 192(group); \
	VMOVDQU32 V4, K1, 256(group); VMOVDQU32 V5, K1, 320(group); \
	VMOVDQU32 V6, K1, 384(group); VMOVDQU32 V7, K1, 448(group)
