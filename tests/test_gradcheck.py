"""`course.gradcheck`: the judge of gradients, judged by functions with known ones."""

import numpy as np
import pytest

from course.gradcheck import numeric_grad, relative_error


def test_the_numeric_gradient_of_a_smooth_function_has_nine_right_digits():
    x = np.array([[0.3, -1.2], [2.0, 0.0]])
    assert np.allclose(numeric_grad(lambda a: np.sin(a).sum(), x), np.cos(x), rtol=1e-9)


def test_the_point_is_not_changed_and_the_shape_is_kept():
    x = np.array(3)
    assert numeric_grad(lambda a: float(a**2), x).shape == ()
    assert x == 3


def test_a_step_that_is_not_above_zero_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        numeric_grad(np.sum, [1.0], h=0)


def test_the_relative_error_is_zero_for_zeros_and_one_for_one_of_them():
    assert relative_error([0, 0], [0, 0]) == 0
    assert relative_error([0, 0], [0, 5]) == 1


def test_other_shapes_are_refused_instead_of_broadcast():
    with pytest.raises(ValueError, match=r"\(2,\) and \(1,\)"):
        relative_error([1, 2], [1])
