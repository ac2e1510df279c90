"""A fast recurrent kernel: what `keras.layers.GRU` computes, compiled for small states on a CPU.

T: time steps. B: sequences in a batch. F: input columns. U: units. R: rows of a series.

The kernel keeps time first and the batch last, so that each step reads and writes contiguous rows and every gate is a
contiguous block of rows. Gates stand in Keras' order z, r, n with Keras' meaning: z keeps the past,
`h = z * h_prev + (1 - z) * n`, where

    n = tanh(x W_n + b_n + r * (h_prev R_n + c_n))     with `reset_after` (cuDNN)
    n = tanh(x W_n + b_n + (r * h_prev) R_n)           without (Cho et al. 2014, arXiv:1406.1078v3; TensorFlow 1)

A step that is masked changes no state: `h = h_prev`, and its gradient goes to `h_prev` alone. Without a mask nothing of
that is computed.

The backward pass is written out by hand. It reads the gates that the forward pass has kept, so that nothing is computed
twice, and sums the weights' gradients step by step while their factors lie in the processor's cache: that measured
faster here than one large product behind the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

Tensor = Any  # tensorflow has no types
Tensors = tuple[Tensor, ...]


class GRU(keras.layers.GRU):
    """`keras.layers.GRU` with the same weights, options and results, on the fast kernel."""

    def __init__(self, units: int, **options: Any) -> None:
        """All options of the stock layer but those that the kernel has no code for.

        Raises:
            ValueError: other activations, dropout inside the cell, `go_backwards`, `stateful` or `use_bias=False`.
        """
        super().__init__(units, **options)
        needed = {
            "activation": "tanh",
            "recurrent_activation": "sigmoid",
            "use_bias": True,
            "dropout": 0.0,
            "recurrent_dropout": 0.0,
            "go_backwards": False,
            "stateful": False,
        }
        config = self.get_config()
        wrong = [f"{name}={config[name]!r}" for name, value in needed.items() if config[name] != value]
        if wrong:
            raise ValueError(f"the fast kernel has no code for {', '.join(wrong)}: use keras.layers.GRU")
        self._recur = tf.function(_differentiable(self.reset_after), jit_compile=True, autograph=False)

    def call(
        self,
        sequences: Tensor,
        initial_state: Tensor = None,
        mask: Tensor = None,
        training: bool = False,  # noqa: ARG002  # nothing in the cell depends on it
    ) -> Tensor:
        """`[B, T, F] -> [B, U]`, or `[B, T, U]` with `return_sequences`; with `return_state` the newest state, too.

        `mask [B, T]` says which steps count; behind one that does not the state is what it was before.

        Raises:
            ValueError: a mask is given with an initial state, which Keras' outputs of padded steps do not show.
        """
        if mask is not None and initial_state is not None:
            raise ValueError("the fast kernel has no code for a mask with an initial state: use keras.layers.GRU")
        if isinstance(initial_state, list | tuple):
            (initial_state,) = initial_state
        if initial_state is None:
            initial_state = tf.zeros([tf.shape(sequences)[0], self.units], sequences.dtype)
        weights = map(tf.convert_to_tensor, (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias))
        masks = () if mask is None else (tf.cast(mask, sequences.dtype),)
        outputs, newest = self._recur(sequences, initial_state, *weights, *masks)
        result = outputs if self.return_sequences else newest
        return (result, newest) if self.return_state else result


def slide(
    rows: Tensor, weights: Tensors, *, steps: int, reset_after: bool, mask: Tensor = None
) -> tuple[Tensor, Tensor]:
    """The layer's states over every window of `steps` rows: `[R, F] -> [B, T, U], [B, U]` with `B = R - T + 1`.

    Window b begins at row b, so that what all windows read in a step are successive rows, and nothing is gathered;
    `mask [B, T]` says in which of them one counts. Rows are projected onto the gates in each step anew: projected once
    for all, XLA computes the gates three times slower, as it reads them through a slice that begins anywhere.
    """
    kernel, recurrent, bias = weights
    cell = _cell(recurrent, bias, reset_after)
    windows = rows.shape[0] - steps + 1
    rows_t, kernel_t = tf.transpose(rows), tf.transpose(kernel)  # [F, R], [3U, F]

    def step(t: Tensor, h: Tensor, states: Any) -> Tensors:
        x_gates = kernel_t @ tf.slice(rows_t, [0, t], [-1, windows]) + cell.input_bias[:, None]  # [3U, B]
        moved, _ = cell.step(x_gates, h)
        h = moved if mask is None else tf.where(mask[:, t], moved, h)
        return h, states.write(t, h)

    newest, states = _loop(
        steps, step, tf.zeros([cell.units, windows], rows.dtype), _buffer(rows.dtype, steps, [cell.units, windows])
    )
    return tf.transpose(states.stack(), [2, 0, 1]), tf.transpose(newest)


def _differentiable(reset_after: bool) -> Callable[..., tuple[Tensor, Tensor]]:
    """`sequences [B, T, F], initial [B, U], three weights -> [B, T, U], [B, U]`, with its own gradient.

    A mask `[B, T]` may follow, of floats as all that a gradient is asked of: 1 where a step counts, else 0.
    """

    @tf.custom_gradient
    def batch_first(
        sequences: Tensor, initial: Tensor, *weights: Tensor
    ) -> tuple[tuple[Tensor, Tensor], Callable[..., Tensors]]:
        weights, masks = weights[:3], weights[3:]
        (states, newest), gradient = _recur(
            tf.transpose(sequences, [1, 2, 0]),
            tf.transpose(initial),
            *weights,
            counts=tf.transpose(masks[0]) > 0 if masks else None,
            reset_after=reset_after,
        )

        def back(d_states: Tensor, d_newest: Tensor) -> Tensors:
            d_inputs, d_initial, *d_weights = gradient(tf.transpose(d_states, [1, 2, 0]), tf.transpose(d_newest))
            nothing = map(tf.zeros_like, masks)
            return tf.transpose(d_inputs, [2, 0, 1]), tf.transpose(d_initial), *d_weights, *nothing

        return (tf.transpose(states, [2, 0, 1]), tf.transpose(newest)), back

    return batch_first  # type: ignore[no-any-return]


def _recur(
    inputs: Tensor,
    initial: Tensor,
    kernel: Tensor,
    recurrent: Tensor,
    bias: Tensor,
    *,
    reset_after: bool,
    counts: Tensor = None,
) -> tuple[tuple[Tensor, Tensor], Callable[..., Tensors]]:
    """`inputs [T, F, B]`, `initial [U, B]` -> all states `[T, U, B]`, the newest `[U, B]`; and their gradient.

    A step of a sequence that does not count, `counts [T, B]`, passes its state on.

    A last input that is always 1 carries the bias, in both directions.
    """
    cell = _cell(recurrent, bias, reset_after)
    steps, columns, batch = inputs.shape
    inputs = tf.pad(inputs, [[0, 0], [0, 1], [0, 0]], constant_values=1)
    biased_t = tf.transpose(tf.concat([kernel, cell.input_bias[None]], 0))  # [3U, F + 1]

    def step(t: Tensor, h: Tensor, states: Any, *kept: Any) -> Tensors:
        moved, gates = cell.step(biased_t @ inputs[t], h)
        h = moved if counts is None else tf.where(counts[t], moved, h)
        return h, states.write(t, h), *(buffer.write(t, gate) for buffer, gate in zip(kept, gates, strict=True))

    rows = (cell.units, 2 * cell.units, *[cell.units] * (cell.kept - 1))
    newest, *buffers = _loop(steps, step, initial, *(_buffer(inputs.dtype, steps, [count, batch]) for count in rows))
    states, *gates = (buffer.stack() for buffer in buffers)

    def gradient(d_states: Tensor, d_newest: Tensor) -> Tensors:
        before = tf.concat([initial[None], states[:-1]], 0)
        kernel_zr, kernel_n = tf.split(kernel, cell.sizes, 1)

        def back(i: Tensor, dh: Tensor, d_inputs: Any, *sums: Tensor) -> Tensors:
            t = steps - 1 - i
            x = inputs[t]
            whole = dh + d_states[t]
            moving = whole if counts is None else tf.where(counts[t], whole, tf.zeros_like(whole))
            dh, d_zr, d_n, terms = cell.back(moving, before[t], *(gate[t] for gate in gates))
            dh = dh if counts is None else tf.where(counts[t], dh, whole)
            terms = (_outer(x, d_zr), _outer(x, d_n), *terms)
            d_inputs = d_inputs.write(t, kernel_zr @ d_zr + kernel_n @ d_n)
            return dh, d_inputs, *(total + term for total, term in zip(sums, terms, strict=True))

        zeros = [tf.zeros([columns + 1, size], inputs.dtype) for size in cell.sizes]
        d_inputs = _buffer(inputs.dtype, steps, [columns, batch])
        d_initial, d_inputs, d_biased_zr, d_biased_n, *sums = _loop(
            steps, back, d_newest, d_inputs, *zeros, *map(tf.zeros_like, cell.sums(initial))
        )
        d_biased = tf.concat([d_biased_zr, d_biased_n], 1)
        return d_inputs.stack(), d_initial, d_biased[:-1], *cell.gradients(d_biased[-1], *sums)

    return (states, newest), gradient


class _ResetAfter:
    """One step and its derivative where the reset gate acts behind the recurrent product."""

    kept = 3  # arrays that the derivative needs: z and r in one, n, and the state's part of n

    def __init__(self, recurrent: Tensor, bias: Tensor) -> None:
        """`recurrent [U, 3U]`, `bias [2, 3U]`"""
        self.units = int(recurrent.shape[0])
        self.sizes = [2 * self.units, self.units]
        self.transposed = tf.transpose(recurrent)
        self.zr, self.n = tf.split(recurrent, self.sizes, 1)
        (input_zr, input_n), (state_zr, state_n) = (tf.split(row, self.sizes) for row in tf.unstack(bias))
        self.input_bias = tf.concat([input_zr + state_zr, input_n], 0)  # [3U]
        self.state_bias = state_n[:, None]  # [U, 1]

    def step(self, x_gates: Tensor, h: Tensor) -> tuple[Tensor, Tensors]:
        """`x_gates [3U, B]`, biased, and `h [U, B]` -> the next state, and what the derivative needs."""
        x_zr, x_n = tf.split(x_gates, self.sizes)
        h_zr, h_n = tf.split(self.transposed @ h, self.sizes)
        zr = tf.sigmoid(x_zr + h_zr)
        z, r = tf.split(zr, 2)
        h_n += self.state_bias
        n = tf.tanh(x_n + r * h_n)
        return n + z * (h - n), (zr, n, h_n)

    def back(self, dh: Tensor, h: Tensor, zr: Tensor, n: Tensor, h_n: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensors]:
        """Gradients of the state before, of the gates' arguments `[2U, B]` and `[U, B]`, and terms of `sums`."""
        z, r = tf.split(zr, 2)
        d_n = dh * (1 - z) * (1 - n * n)
        d_zr = tf.concat([dh * (h - n) * z * (1 - z), d_n * h_n * r * (1 - r)], 0)
        d_hn = d_n * r
        return dh * z + self.zr @ d_zr + self.n @ d_hn, d_zr, d_n, (_outer(h, d_zr), _outer(h, d_hn), d_hn)

    def sums(self, h: Tensor) -> Tensors:
        """Arrays of the shapes of the terms that `back` gives for each step."""
        return self.zr, self.n, h

    def gradients(self, d_input_bias: Tensor, d_zr: Tensor, d_n: Tensor, d_hn: Tensor) -> Tensors:
        """Gradients of recurrent weights and bias from the summed terms."""
        state_bias = tf.concat([d_input_bias[: 2 * self.units], tf.reduce_sum(d_hn, 1)], 0)
        return tf.concat([d_zr, d_n], 1), tf.stack([d_input_bias, state_bias])


class _ResetBefore:
    """One step and its derivative where the reset gate acts on the state, before the recurrent product."""

    kept = 2  # arrays that the derivative needs: z and r in one, n

    def __init__(self, recurrent: Tensor, bias: Tensor) -> None:
        """`recurrent [U, 3U]`, `bias [3U]`"""
        self.units = int(recurrent.shape[0])
        self.sizes = [2 * self.units, self.units]
        self.zr, self.n = tf.split(recurrent, self.sizes, 1)
        self.zr_transposed, self.n_transposed = tf.transpose(self.zr), tf.transpose(self.n)
        self.input_bias = bias

    def step(self, x_gates: Tensor, h: Tensor) -> tuple[Tensor, Tensors]:
        """`x_gates [3U, B]`, biased, and `h [U, B]` -> the next state, and what the derivative needs."""
        x_zr, x_n = tf.split(x_gates, self.sizes)
        zr = tf.sigmoid(x_zr + self.zr_transposed @ h)
        z, r = tf.split(zr, 2)
        n = tf.tanh(x_n + self.n_transposed @ (r * h))
        return n + z * (h - n), (zr, n)

    def back(self, dh: Tensor, h: Tensor, zr: Tensor, n: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensors]:
        """Gradients of the state before, of the gates' arguments `[2U, B]` and `[U, B]`, and terms of `sums`."""
        z, r = tf.split(zr, 2)
        d_n = dh * (1 - z) * (1 - n * n)
        d_rh = self.n @ d_n
        d_zr = tf.concat([dh * (h - n) * z * (1 - z), d_rh * h * r * (1 - r)], 0)
        return dh * z + d_rh * r + self.zr @ d_zr, d_zr, d_n, (_outer(h, d_zr), _outer(r * h, d_n))

    def sums(self, h: Tensor) -> Tensors:  # noqa: ARG002  # the other form's depends on the batch
        """Arrays of the shapes of the terms that `back` gives for each step."""
        return self.zr, self.n

    def gradients(self, d_input_bias: Tensor, d_zr: Tensor, d_n: Tensor) -> Tensors:
        """Gradients of recurrent weights and bias from the summed terms."""
        return tf.concat([d_zr, d_n], 1), d_input_bias


def _cell(recurrent: Tensor, bias: Tensor, reset_after: bool) -> _ResetAfter | _ResetBefore:
    return (_ResetAfter if reset_after else _ResetBefore)(recurrent, bias)


def _loop(steps: int, body: Callable[..., Tensors], *state: Any) -> Tensors:
    """`body(t, *state) -> state` for t from 0 on, `steps` times."""
    result: Tensors = tf.while_loop(
        lambda t, *_: t < steps, lambda t, *state: (t + 1, *body(t, *state)), (0, *state), maximum_iterations=steps
    )
    return result[1:]


def _buffer(dtype: Any, steps: int, shape: list[Any]) -> Any:
    """Room for one array of `shape` a step."""
    return tf.TensorArray(dtype, steps, element_shape=shape)


def _outer(left: Tensor, right: Tensor) -> Tensor:
    """`[M, B], [N, B] -> [M, N]`, summed over the batch."""
    return tf.matmul(left, right, transpose_b=True)
