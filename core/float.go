package core

import "math"

// Everything in this file gives the same bits on every processor: the only
// functions taken from package math are Sqrt (exact by IEEE 754) and bit
// casts, and each product stands in an explicit float64(), because the
// compiler may otherwise fuse x*y+z into one rounding (Go specification,
// "Floating-point operators"; it does so on arm64 and with GOAMD64=v3).

const (
	ln2Hi = 6.93147180369123816490e-01
	ln2Lo = 1.90821492927058770002e-10
	log2e = 1.44269504088896338700e+00
)

// exp returns e**x for x <= 709; below -708 it returns 0 (no denormals).
// Within 1 ulp of the exact value. Method and coefficients: FreeBSD
// lib/msun/src/e_exp.c.
func exp(x float64) float64 {
	const (
		p1 = 1.66666666666666657415e-01
		p2 = -2.77777777770155933842e-03
		p3 = 6.61375632143793436117e-05
		p4 = -1.65339022054652515390e-06
		p5 = 4.13813679705723846039e-08
	)
	if x < -708 {
		return 0
	}
	k := math.Floor(float64(x*log2e) + 0.5)
	hi := x - float64(k*ln2Hi)
	lo := float64(k * ln2Lo)
	r := hi - lo
	t := float64(r * r)
	poly := p4 + float64(t*p5)
	poly = p3 + float64(t*poly)
	poly = p2 + float64(t*poly)
	poly = p1 + float64(t*poly)
	c := r - float64(t*poly)
	y := 1 - ((lo - float64(r*c)/(2-c)) - hi)
	// y is in [0.7, 1.5) and the result is normal: scale by the exponent bits.
	return float64(y * math.Float64frombits(uint64(1023+int64(k))<<52))
}

// ln returns the natural logarithm of a positive normal x. Within 1 ulp of
// the exact value. Method and coefficients: FreeBSD lib/msun/src/e_log.c.
func ln(x float64) float64 {
	const (
		l1 = 6.666666666666735130e-01
		l2 = 3.999999999940941908e-01
		l3 = 2.857142874366239149e-01
		l4 = 2.222219843214978396e-01
		l5 = 1.818357216161805012e-01
		l6 = 1.531383769920937332e-01
		l7 = 1.479819860511658591e-01
	)
	b := math.Float64bits(x)
	k := float64(int64(b>>52) - 1022)
	f1 := math.Float64frombits(b&(1<<52-1) | 1022<<52) // in [1/2, 1)
	if f1 < math.Sqrt2/2 {
		f1 *= 2
		k--
	}
	f := f1 - 1
	s := f / (2 + f)
	s2 := float64(s * s)
	s4 := float64(s2 * s2)
	a := l5 + float64(s4*l7)
	a = l3 + float64(s4*a)
	a = l1 + float64(s4*a)
	t1 := float64(s2 * a)
	a = l4 + float64(s4*l6)
	a = l2 + float64(s4*a)
	t2 := float64(s4 * a)
	r := t1 + t2
	hfsq := float64(float64(0.5*f) * f)
	inner := float64(s*(hfsq+r)) + float64(k*ln2Lo)
	return float64(k*ln2Hi) - ((hfsq - inner) - f)
}

// normalCDF returns the probability that a standard normal variable is below
// x, with an absolute error below 1e-14: Phi(x) = 1/2 + phi(x)*(x + x^3/3 +
// x^5/(3*5) + ...), Marsaglia, Evaluating the Normal Distribution, Journal of
// Statistical Software 11(4), 2004.
func normalCDF(x float64) float64 {
	const invSqrt2Pi = 0.39894228040143267794
	switch {
	case x < 0:
		return 1 - normalCDF(-x)
	case x > 8.3:
		return 1
	}
	sq := float64(x * x)
	sum, term := x, x
	for i := 3.0; term > float64(sum*0x1p-60); i += 2 {
		term = float64(term*sq) / i
		sum += term
	}
	return 0.5 + float64(float64(sum*exp(float64(-0.5*sq)))*invSqrt2Pi)
}

// normalPair returns two independent standard normal variates of a lane, by
// Marsaglia's polar method. Attempt i takes the block with the counter (a, b, i,
// 0): two tries, a try two words.
func normalPair(seed uint64, lane Lane, a, b uint64) (x, y float64) {
	for attempt := uint64(0); ; attempt++ {
		w := Philox(seed, lane, [4]uint64{a, b, attempt, 0})
		for i := 0; i < len(w); i += 2 {
			p, q := float64(2*unit(w[i]))-1, float64(2*unit(w[i+1]))-1
			s := float64(p*p) + float64(q*q)
			if s < 1 && s > 0 {
				r := math.Sqrt(float64(-2*ln(s)) / s)
				return float64(p * r), float64(q * r)
			}
		}
	}
}
