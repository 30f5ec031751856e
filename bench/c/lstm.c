/* ADBench's LSTM with up to 16 units: value and gradient by hand; see bench/models.py. */
#include "limit.h"
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 16, LAYERS = 2 };

typedef struct {
    double forget[WIDTH], let_in[WIDTH], let_out[WIDTH], change[WIDTH];
    double below[WIDTH], before[WIDTH], cell[WIDTH], tanh_cell[WIDTH]; /* cell: before the step */
} Layer;

typedef struct {
    Layer layers[LAYERS];
    double top[WIDTH], softmax[WIDTH];
} Step;

#define LANES for (int i = 0; i < WIDTH; i++)
#define SIMD _Pragma("omp simd")

/* steps, width, main[4,4*width], extra[3,width], state[4,width], sequence[steps+1,width],
 * scratch -> value, gradients of main and extra */
void lstm(void **a)
{
    SIZE(steps, 0); SIZE(width, 1);
    ARRAY(main_, 2); ARRAY(extra_, 3); ARRAY(state_, 4); ARRAY(sequence, 5); ARRAY(scratch, 6);
    ARRAY(value, 7); ARRAY(g_main, 8); ARRAY(g_extra, 9);
    Step *tape = (Step *)scratch;
    double weight[LAYERS][4][WIDTH] = {0}, bias[LAYERS][4][WIDTH] = {0}, extra[3][WIDTH] = {0};
    double hidden[LAYERS][WIDTH] = {0}, cell[LAYERS][WIDTH] = {0}, valid[WIDTH] = {0};
    for (int i = 0; i < width; i++) {
        valid[i] = 1.0;
        for (int l = 0; l < LAYERS; l++) {
            for (int gate = 0; gate < 4; gate++) {
                weight[l][gate][i] = main_[(2 * l) * 4 * width + gate * width + i];
                bias[l][gate][i] = main_[(2 * l + 1) * 4 * width + gate * width + i];
            }
            hidden[l][i] = state_[2 * l * width + i];
            cell[l][i] = state_[(2 * l + 1) * width + i];
        }
        for (int e = 0; e < 3; e++)
            extra[e][i] = extra_[e * width + i];
    }
    double total = 0.0;
    for (ptrdiff_t t = 0; t < steps; t++) {
        Step *step = tape + t;
        double signal[WIDTH] = {0}, wanted[WIDTH] = {0};
        for (int i = 0; i < width; i++) {
            signal[i] = sequence[t * width + i] * extra[0][i];
            wanted[i] = sequence[(t + 1) * width + i];
        }
        for (int l = 0; l < LAYERS; l++) {
            Layer *layer = &step->layers[l];
            SIMD LANES
            {
                const double h = hidden[l][i], s = signal[i], c = cell[l][i];
                const double f = 1.0 / (1.0 + exp(-(s * weight[l][0][i] + bias[l][0][i])));
                const double in = 1.0 / (1.0 + exp(-(h * weight[l][1][i] + bias[l][1][i])));
                const double out = 1.0 / (1.0 + exp(-(s * weight[l][2][i] + bias[l][2][i])));
                const double change = tanh(h * weight[l][3][i] + bias[l][3][i]);
                const double next = c * f + in * change, bent = tanh(next);
                layer->forget[i] = f;
                layer->let_in[i] = in;
                layer->let_out[i] = out;
                layer->change[i] = change;
                layer->below[i] = s;
                layer->before[i] = h;
                layer->cell[i] = c;
                layer->tanh_cell[i] = bent;
                cell[l][i] = next;
                hidden[l][i] = signal[i] = out * bent;
            }
        }
        double sum = 2.0, predicted[WIDTH], gain = 0.0, all = 0.0;
        SIMD LANES predicted[i] = signal[i] * extra[1][i] + extra[2][i];
#pragma omp simd reduction(+ : sum, gain, all)
        LANES
        {
            step->top[i] = signal[i];
            step->softmax[i] = valid[i] * exp(predicted[i]);
            sum += step->softmax[i];
            gain += wanted[i] * predicted[i];
            all += wanted[i];
        }
        total += gain - all * log(sum);
        const double share = all / sum;
        /* from here on what the total loses per unit of `predicted`, its sign turned */
        SIMD LANES step->softmax[i] = wanted[i] - share * step->softmax[i];
    }
    const double scale = -1.0 / ((double)steps * (double)width);
    *value = total * scale;

    double g_weight[LAYERS][4][WIDTH] = {0}, g_bias[LAYERS][4][WIDTH] = {0};
    double g_ex[3][WIDTH] = {0}, h_bar[LAYERS][WIDTH] = {0}, c_bar[LAYERS][WIDTH] = {0};
    for (ptrdiff_t t = steps - 1; t >= 0; t--) {
        Step *step = tape + t;
        double up[WIDTH];
        SIMD LANES
        {
            const double bar = scale * step->softmax[i];
            g_ex[1][i] += bar * step->top[i];
            g_ex[2][i] += bar;
            up[i] = bar * extra[1][i];
        }
        for (int l = LAYERS - 1; l >= 0; l--) {
            const Layer *layer = &step->layers[l];
            SIMD LANES
            {
                const double f = layer->forget[i], in = layer->let_in[i], out = layer->let_out[i];
                const double change = layer->change[i], bent = layer->tanh_cell[i];
                const double bar = up[i] + h_bar[l][i];
                const double next = c_bar[l][i] + bar * out * (1.0 - bent * bent);
                const double f_bar = next * layer->cell[i] * f * (1.0 - f);
                const double in_bar = next * change * in * (1.0 - in);
                const double out_bar = bar * bent * out * (1.0 - out);
                const double change_bar = next * in * (1.0 - change * change);
                c_bar[l][i] = next * f;
                h_bar[l][i] = in_bar * weight[l][1][i] + change_bar * weight[l][3][i];
                up[i] = f_bar * weight[l][0][i] + out_bar * weight[l][2][i];
                g_weight[l][0][i] += f_bar * layer->below[i];
                g_weight[l][1][i] += in_bar * layer->before[i];
                g_weight[l][2][i] += out_bar * layer->below[i];
                g_weight[l][3][i] += change_bar * layer->before[i];
                g_bias[l][0][i] += f_bar;
                g_bias[l][1][i] += in_bar;
                g_bias[l][2][i] += out_bar;
                g_bias[l][3][i] += change_bar;
            }
        }
        for (int i = 0; i < width; i++)
            g_ex[0][i] += up[i] * sequence[t * width + i];
    }
    for (int i = 0; i < width; i++) {
        for (int l = 0; l < LAYERS; l++)
            for (int gate = 0; gate < 4; gate++) {
                g_main[(2 * l) * 4 * width + gate * width + i] = g_weight[l][gate][i];
                g_main[(2 * l + 1) * 4 * width + gate * width + i] = g_bias[l][gate][i];
            }
        for (int e = 0; e < 3; e++)
            g_extra[e * width + i] = g_ex[e][i];
    }
}
