from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlab.questions.scaling import knee
from meshlab.questions.scaling.usl import compare, fit, fit_samples

values = st.one_of(st.floats(1e-4, 1e6), st.sampled_from([0.0, 1.0, float("nan")]))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(values, values), max_size=40))
def test_whatever_was_measured_is_answered_with_numbers_or_a_reason(rows):
    n, x = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    for found in (fit(n, x), fit_samples(n, x)):
        assert found.coefficients is not None or found.refusals
        assert found.peak.stated != (found.peak.refusal is not None)
        answer = knee.find(found).answer
        assert answer.stated != (answer.refusal is not None)
        compared = compare(found, found)
        assert (compared.change is None) != (compared.refusal is None)
        if found.coefficients is not None:
            a, b, single = found.coefficients
            assert 0 <= a <= 1
            assert 0 <= b <= 1
            assert np.isfinite(single)
            for one in (found.contention, found.coherency, found.single):
                assert one.low <= one.value <= one.high
