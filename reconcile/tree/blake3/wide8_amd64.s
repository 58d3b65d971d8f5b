// Eight compressions side by side, in registers of 256 bits.

#define V0 Y0
#define V1 Y1
#define V2 Y2
#define V3 Y3
#define V4 Y4
#define V5 Y5
#define V6 Y6
#define V7 Y7
#define V8 Y8
#define V9 Y9
#define V10 Y10
#define V11 Y11
#define V12 Y12
#define V13 Y13
#define V14 Y14
#define V15 Y15
#define V16 Y16
#define V17 Y17
#define V18 Y18
#define V19 Y19
#define V20 Y20
#define V21 Y21
#define V22 Y22
#define V23 Y23
#define V24 Y24
#define V25 Y25
#define V26 Y26
#define V27 Y27
#define V28 Y28
#define V29 Y29
#define V30 Y30
#define V31 Y31

#include "rounds_amd64.h"

// turns are the places of left children, and then those of right ones.
DATA turns<>+0(SB)/4, $0
DATA turns<>+4(SB)/4, $2
DATA turns<>+8(SB)/4, $4
DATA turns<>+12(SB)/4, $6
DATA turns<>+16(SB)/4, $8
DATA turns<>+20(SB)/4, $10
DATA turns<>+24(SB)/4, $12
DATA turns<>+28(SB)/4, $14
DATA turns<>+32(SB)/4, $1
DATA turns<>+36(SB)/4, $3
DATA turns<>+40(SB)/4, $5
DATA turns<>+44(SB)/4, $7
DATA turns<>+48(SB)/4, $9
DATA turns<>+52(SB)/4, $11
DATA turns<>+56(SB)/4, $13
DATA turns<>+60(SB)/4, $15
GLOBL turns<>(SB), RODATA|NOPTR, $64

// HALFTURN exchanges the second half of one register and the first of another.
#define HALFTURN(r0, r1) \
	VSHUFI32X4 $0, r1, r0, V8; \
	VSHUFI32X4 $3, r1, r0, r1; \
	VMOVDQA32 V8, r0

// func chunks8(out *group, in *[groupBytes]byte, p *plan, first uint32)
TEXT ·chunks8(SB), NOSPLIT, $0-28
	MOVQ out+0(FP), DI
	MOVQ in+8(FP), SI
	MOVQ p+16(FP), DX
	MOVL first+24(FP), AX
	LEAQ 2048(DX), BX // plan.active
	LEAQ 2080(DX), R8 // plan.numbers
	MOVL $16, CX
	START

block:
	MOVWLZX   (BX), R9
	TESTL     R9, R9
	JZ        done
	VMOVDQU32 (SI), V16
	VMOVDQU32 32(SI), V24
	VMOVDQU32 1024(SI), V17
	VMOVDQU32 1056(SI), V25
	VMOVDQU32 2048(SI), V18
	VMOVDQU32 2080(SI), V26
	VMOVDQU32 3072(SI), V19
	VMOVDQU32 3104(SI), V27
	VMOVDQU32 4096(SI), V20
	VMOVDQU32 4128(SI), V28
	VMOVDQU32 5120(SI), V21
	VMOVDQU32 5152(SI), V29
	VMOVDQU32 6144(SI), V22
	VMOVDQU32 6176(SI), V30
	VMOVDQU32 7168(SI), V23
	VMOVDQU32 7200(SI), V31
	QUADS(V16, V17, V18, V19)
	QUADS(V20, V21, V22, V23)
	QUADS(V24, V25, V26, V27)
	QUADS(V28, V29, V30, V31)
	HALFTURN(V16, V20)
	HALFTURN(V17, V21)
	HALFTURN(V18, V22)
	HALFTURN(V19, V23)
	HALFTURN(V24, V28)
	HALFTURN(V25, V29)
	HALFTURN(V26, V30)
	HALFTURN(V27, V31)

	CONSTANTS
	VPBROADCASTD AX, V12
	VPADDD       (R8), V12, V12
	VPXORD       V13, V13, V13
	VMOVDQU32    (DX), V14     // plan.lengths
	VMOVDQU32    1024(DX), V15 // plan.flags
	COMPRESS
	KMOVW (BX), K1
	STORE(DI)

	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $2, BX
	DECL CX
	JNZ  block

done:
	VZEROUPPER
	RET

// CHILDREN makes a word of the message of left and of right children.
#define CHILDREN(at, both, right) \
	VPERMD at(SI), Z8, both; \
	VEXTRACTI64X4 $1, both, right

// func parents8(out, children *group, flags uint32)
TEXT ·parents8(SB), NOSPLIT, $0-20
	MOVQ out+0(FP), DI
	MOVQ children+8(FP), SI

	VMOVDQU32 turns<>(SB), Z8
	CHILDREN(0, Z16, V24)
	CHILDREN(64, Z17, V25)
	CHILDREN(128, Z18, V26)
	CHILDREN(192, Z19, V27)
	CHILDREN(256, Z20, V28)
	CHILDREN(320, Z21, V29)
	CHILDREN(384, Z22, V30)
	CHILDREN(448, Z23, V31)

	START
	CONSTANTS
	VPXORD       V12, V12, V12
	VPXORD       V13, V13, V13
	MOVL         $64, AX
	VPBROADCASTD AX, V14
	MOVL         flags+16(FP), AX
	VPBROADCASTD AX, V15
	COMPRESS
	KXNORW K1, K1, K1
	STORE(DI)
	VZEROUPPER
	RET
