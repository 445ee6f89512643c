"""Published measurements and the coefficients that were published for them.

Sources
-------
* SPARC: a Sun SPARCcenter 2000 in the SPEC SDM91 benchmark of October 1994; coefficients and errors as the README of
  the R package usl 3.0 prints them.
* RAY: BRL-CAD's ray tracer on an SGI Origin 2000, table of N. Gunther, "Guerrilla Capacity Planning" (2007), data set
  ``raytracer`` of the R package usl; coefficients and half widths as that package's own test of ``confint`` prints.
* CURVE: the test of ``coef`` in the R package usl: contention and coherency of 0.02 exactly.
* CISCO: B. Schwartz, "Practical Scalability Analysis with the Universal Scalability Law" (2015); coefficients as his
  book and the tests of codahale/usl print them.
"""

from __future__ import annotations

SPARC = ([1, 18, 36, 72, 108, 144, 216], [64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2])
RAY = ([1, 4, 8, 12, 16, 20, 24, 28, 32, 48, 64], [20, 78, 130, 170, 190, 200, 210, 230, 260, 280, 310])
CURVE = ([1, 2, 4, 6, 8, 10], [1, 1.8868, 3.0769, 3.5294, 3.5398, 3.3557])
_CISCO = """955.16 1878.91 2688.01 3548.68 4315.54 5130.43 5931.37 6531.08 7219.8 7867.61 8278.71 8646.7 9047.84 9426.55
9645.37 9897.24 10097.6 10240.5 10532.39 10798.52 11151.43 11518.63 11806.0 12089.37 12075.41 12177.29 12211.41
12158.93 12155.27 12118.04 12140.4 12074.39"""
CISCO = (list(range(1, 33)), [float(word) for word in _CISCO.split()])
