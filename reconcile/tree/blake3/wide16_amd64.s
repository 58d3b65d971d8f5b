// Sixteen compressions side by side, in registers of 512 bits.

#define V0 Z0
#define V1 Z1
#define V2 Z2
#define V3 Z3
#define V4 Z4
#define V5 Z5
#define V6 Z6
#define V7 Z7
#define V8 Z8
#define V9 Z9
#define V10 Z10
#define V11 Z11
#define V12 Z12
#define V13 Z13
#define V14 Z14
#define V15 Z15
#define V16 Z16
#define V17 Z17
#define V18 Z18
#define V19 Z19
#define V20 Z20
#define V21 Z21
#define V22 Z22
#define V23 Z23
#define V24 Z24
#define V25 Z25
#define V26 Z26
#define V27 Z27
#define V28 Z28
#define V29 Z29
#define V30 Z30
#define V31 Z31

#include "rounds_amd64.h"

// QUARTERS exchanges rows and columns of four by four quarters of registers.
#define QUARTERS(r0, r1, r2, r3) \
	VSHUFI32X4 $0x88, r1, r0, V8; VSHUFI32X4 $0xdd, r1, r0, V9; \
	VSHUFI32X4 $0x88, r3, r2, V10; VSHUFI32X4 $0xdd, r3, r2, V11; \
	VSHUFI32X4 $0x88, V10, V8, r0; VSHUFI32X4 $0x88, V11, V9, r1; \
	VSHUFI32X4 $0xdd, V10, V8, r2; VSHUFI32X4 $0xdd, V11, V9, r3

// func chunks16(out *group, in *[groupBytes]byte, p *plan, first uint32)
TEXT ·chunks16(SB), NOSPLIT, $0-28
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
	VMOVDQU32 1024(SI), V17
	VMOVDQU32 2048(SI), V18
	VMOVDQU32 3072(SI), V19
	VMOVDQU32 4096(SI), V20
	VMOVDQU32 5120(SI), V21
	VMOVDQU32 6144(SI), V22
	VMOVDQU32 7168(SI), V23
	VMOVDQU32 8192(SI), V24
	VMOVDQU32 9216(SI), V25
	VMOVDQU32 10240(SI), V26
	VMOVDQU32 11264(SI), V27
	VMOVDQU32 12288(SI), V28
	VMOVDQU32 13312(SI), V29
	VMOVDQU32 14336(SI), V30
	VMOVDQU32 15360(SI), V31
	QUADS(V16, V17, V18, V19)
	QUADS(V20, V21, V22, V23)
	QUADS(V24, V25, V26, V27)
	QUADS(V28, V29, V30, V31)
	QUARTERS(V16, V20, V24, V28)
	QUARTERS(V17, V21, V25, V29)
	QUARTERS(V18, V22, V26, V30)
	QUARTERS(V19, V23, V27, V31)

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

// CHILDREN makes a word of the message of a left and of a right child.
#define CHILDREN(at, left, right) \
	VMOVDQU32 at(SI), left; \
	VMOVDQA32 left, right; \
	VMOVDQU32 at(DX), V10; \
	VPERMT2D V10, V8, left; \
	VPERMT2D V10, V9, right

// func parents16(out, first, second *group, flags uint32)
TEXT ·parents16(SB), NOSPLIT, $0-28
	MOVQ out+0(FP), DI
	MOVQ first+8(FP), SI
	MOVQ second+16(FP), DX

	// Of 32 children those at even places are left ones.
	VMOVDQU32    lanes<>(SB), V8
	VPADDD       V8, V8, V8
	VPBROADCASTD lanes<>+4(SB), V9
	VPADDD       V8, V9, V9
	CHILDREN(0, V16, V24)
	CHILDREN(64, V17, V25)
	CHILDREN(128, V18, V26)
	CHILDREN(192, V19, V27)
	CHILDREN(256, V20, V28)
	CHILDREN(320, V21, V29)
	CHILDREN(384, V22, V30)
	CHILDREN(448, V23, V31)

	START
	CONSTANTS
	VPXORD       V12, V12, V12
	VPXORD       V13, V13, V13
	MOVL         $64, AX
	VPBROADCASTD AX, V14
	MOVL         flags+24(FP), AX
	VPBROADCASTD AX, V15
	COMPRESS
	KXNORW K1, K1, K1
	STORE(DI)
	VZEROUPPER
	RET
