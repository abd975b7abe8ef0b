/* tests/fuzz/tf_corpus.c - see tf_corpus.h. */
#include "tf_corpus.h"

#include <stddef.h>

#define IMAGE "Placeholder x | dtype=#1 shape=<-1,5,4,3>\n"

static const char windows[] =
    IMAGE "Const w | value={f*;3,3,3,4;~108}\n"
          "Const b | value={f;4;0.5,-0.25}\n"
          "Const d | value={f;2,2,4,2;~32}\n"
          "Const one | value={f;4;1}\n"
          "Conv2D c x w | strides=[1,1,1,1] padding='SAME' data_format='NHWC'\n"
          "BiasAdd cb c b\n"
          "Relu6 r cb\n"
          "DepthwiseConv2dNative dw r d | strides=[1,2,2,1] padding='SAME'\n"
          "Relu dr dw\n"
          "MaxPool p dr | ksize=[1,2,2,1] strides=[1,1,1,1] padding='SAME'\n"
          "AvgPool q dr | ksize=[1,2,2,1] strides=[1,1,1,1] padding='SAME'\n"
          "AddV2 s p q\n"
          "FusedBatchNormV3 n r one b one one | is_training=false epsilon=0.001\n"
          "Const w2 | value={f;2,2,4,2;~32}\n"
          "Conv2D e n w2 | strides=[1,1,1,1] padding='EXPLICIT' "
          "explicit_paddings=[0,0,1,0,0,1,0,0] dilations=[1,2,1,1]\n";

static const char first[] =
    "Placeholder x | dtype=#1 shape=<-1,3,5,4>\n"
    "Const w | value={f*;3,3,3,4;~108}\n"
    "Const b | value={f;4;0.5,-0.25}\n"
    "Conv2D c x w | strides=[1,1,2,1] padding='SAME' data_format='NCHW'\n"
    "BiasAdd cb c b | data_format='NCHW'\n"
    "Elu e cb\n"
    "Const axes | value={i;2;2,3}\n"
    "Mean m e axes | keep_dims=false\n"
    "Const fc | value={f;4,2;~8}\n"
    "MatMul y m fc\n"
    "Softmax z y\n";

static const char norms[] =
    IMAGE "Const v | value={f;3;1.5}\n"
          "Const eps | value={f;;0.001}\n"
          "Const g | value={f;3;1,2,3}\n"
          "Const m | value={f;3;0.25}\n"
          "Const o | value={f;3;-0.5}\n"
          "AddV2 ve v eps\n"
          "Rsqrt root ve\n"
          "Mul inv root g\n"
          "Mul a x inv\n"
          "Mul mi m inv\n"
          "Sub shift o mi\n"
          "AddV2 y a shift\n"
          "BatchNormWithGlobalNormalization old y m v o g | variance_epsilon=0.001 "
          "scale_after_normalization=true\n"
          "LRN l old | depth_radius=1 bias=1.0 alpha=0.5 beta=0.5\n";

static const char moves[] =
    IMAGE "Const one | value={i;;1}\n"
          "Const last | value={i;;3}\n"
          "Const p | value={i;4,2;0,0,1,2,0,1,0,0}\n"
          "Const half | value={f;;0.5}\n"
          "PadV2 padded x p half\n"
          "MirrorPad mirrored x p | mode='SYMMETRIC'\n"
          "MirrorPad reflected x p | mode='REFLECT'\n"
          "ConcatV2 c padded mirrored reflected last\n"
          "Split s last c | num_split=3\n"
          "Const sizes | value={i;3;2,1,6}\n"
          "SplitV t c sizes last | num_split=3\n"
          "Const begin | value={i;3;0,-3,1}\n"
          "Const end | value={i;3;0,-1,3}\n"
          "Const step | value={i;3;1,1,2}\n"
          "StridedSlice u s:1 begin end step | begin_mask=1 end_mask=1 new_axis_mask=0 "
          "shrink_axis_mask=4\n"
          "Const from | value={i;4;0,1,0,1}\n"
          "Const size | value={i;4;-1,2,-1,1}\n"
          "Slice v s:2 from size\n"
          "Const perm | value={i;4;0,2,1,3}\n"
          "Transpose tr s perm\n"
          "Const picks | value={i;3;2,0,0}\n"
          "GatherV2 ga x picks last\n"
          "Const times | value={i;4;1,2,1,3}\n"
          "Tile ti x times\n"
          "Unpack un x | num=3 axis=3\n"
          "Pack pk un:2 un | axis=1\n"
          "ExpandDims ex t:1 one\n"
          "Squeeze sq ex | squeeze_dims=[1,4]\n";

static const char shapes[] =
    IMAGE "Const zero | value={i;1;0}\n"
          "Const one | value={i;1;1}\n"
          "Const four | value={i;1;4}\n"
          "Const rest | value={i;;-1}\n"
          "Shape n x | out_type=#3\n"
          "StridedSlice batch n zero one one | shrink_axis_mask=1\n"
          "Pack target batch rest\n"
          "Reshape flat x target\n"
          "StridedSlice tail n one four one\n"
          "Prod count tail zero | keep_dims=false\n"
          "Pack again rest count\n"
          "Reshape other x again\n"
          "Const fc | value={f;2,60;~120}\n"
          "MatMul y flat fc | transpose_b=true\n"
          "Rank r x\n"
          "Const k | value={i;;1}\n"
          "Range axes k r k\n"
          "Max z other k\n"
          "Sum m x axes\n"
          "Size all x\n"
          "FloorDiv part all batch\n"
          "Fill f n part\n"
          "Cast g f | SrcT=#3 DstT=#1\n"
          "Add h x g\n"
          "BroadcastTo i h n\n"
          "ArgMax am y k\n";

static const char math[] = IMAGE "Const a | value={d;3;1.5,-2,0.25}\n"
                                 "Const c | value={f;;2}\n"
                                 "Mul m x a\n"
                                 "Sub s m x\n"
                                 "RealDiv d s c\n"
                                 "Maximum e d x\n"
                                 "Greater gt e x\n"
                                 "NotEqual ne e x\n"
                                 "LogicalAnd and gt ne\n"
                                 "SelectV2 w and e x\n"
                                 "AddN n w x e\n"
                                 "Sigmoid si n\n"
                                 "Square sq si\n"
                                 "Rsqrt rs sq\n"
                                 "SquaredDifference sd rs x\n"
                                 "LeakyRelu lr sd | alpha=0.3\n"
                                 "Const low | value={f;;-1}\n"
                                 "ClipByValue cl lr low c\n"
                                 "Erfc er cl\n"
                                 "Pow po er c\n"
                                 "ZerosLike ze po\n"
                                 "Add y po ze\n";

static const char resizing[] =
    IMAGE "Const up | value={i;2;9,8}\n"
          "ResizeBilinear a x up | align_corners=true half_pixel_centers=false\n"
          "ResizeNearestNeighbor b x up | half_pixel_centers=true\n"
          "Const odd | value={i;2;41,37}\n"
          "ResizeNearestNeighbor c b odd | half_pixel_centers=true\n"
          "DepthToSpace d e | block_size=2\n"
          "SpaceToDepth e f | block_size=2\n"
          "ResizeBilinear f x g\n"
          "Const g | value={i;2;4,4}\n"
          "Const sizes | value={i;4;1,10,8,2}\n"
          "Const k | value={f;3,3,2,3;~54}\n"
          "Conv2DBackpropInput t sizes k x | strides=[1,2,2,1] padding='SAME'\n";

static const char blocks[] = IMAGE "Const b | value={i;2;2,2}\n"
                                   "Const pads | value={i;2,2;2,3,2,2}\n"
                                   "Const crops | value={i;2,2;0,0,0,0}\n"
                                   "Const w | value={f*;3,3,3,4;~108}\n"
                                   "SpaceToBatchND s x b pads\n"
                                   "Conv2D c s w | strides=[1,1,1,1] padding='VALID'\n"
                                   "BatchToSpaceND y c b crops\n";

static const char quantised[] = IMAGE
    "FakeQuantWithMinMaxArgs a x | min=-1.0 max=2.0 num_bits=4 narrow_range=true\n"
    "Const low | value={f;;-0.5}\n"
    "Const high | value={f;;0.75}\n"
    "FakeQuantWithMinMaxVars b a low high\n"
    "Const lows | value={f;3;-0.5,-1,-2}\n"
    "Const highs | value={f;3;1}\n"
    "FakeQuantWithMinMaxVarsPerChannel c b lows highs\n";

static const char dropout[] =
    IMAGE "Const no | dtype=#10 value={b;;0}\n"
          "PlaceholderWithDefault phase no | dtype=#10 shape=<>\n"
          "Switch pick phase phase\n"
          "Identity on pick:1\n"
          "Switch s x phase\n"
          "Const keep ^on | value={f;;0.5}\n"
          "Mul dropped s:1 keep\n"
          "Merge m s dropped\n"
          "IdentityN both m m\n"
          "Relu y both:1 ^m\n";

/* The images come out of operators that no network computes. */
static const char sound[] =
    "Placeholder wav | dtype=#7 shape=<>\n"
    "DecodeWav d wav | desired_samples=1600 desired_channels=1\n"
    "AudioSpectrogram s d | window_size=640 stride=320\n"
    "Mfcc cut s d:1 | dct_coefficient_count=10\n"
    "Const w | value={f;3,3,3,2;~54}\n"
    "Conv2D y cut w | strides=[1,1,1,1] padding='SAME'\n";

static const char bad_operators[] = IMAGE "Foo a x\n"
                                          "Bar b a\n"
                                          "VariableV2 v | dtype=#1\n"
                                          "Add y b v\n";

static const char bad_cycle[] = IMAGE "Add a x c\n"
                                      "Relu b a\n"
                                      "Relu c b\n"
                                      "Relu d c\n";

static const char bad_huge[] = IMAGE "Const s | value={i;2;1048576,1048576}\n"
                                     "Const v | value={f;;1}\n"
                                     "Fill f s v\n"
                                     "Add y x f\n";

const struct tf_seed tf_corpus[] = {
    {"tf_windows.pb", windows},
    {"tf_first.pb", first},
    {"tf_norms.pb", norms},
    {"tf_moves.pb", moves},
    {"tf_shapes.pb", shapes},
    {"tf_math.pb", math},
    {"tf_resizing.pb", resizing},
    {"tf_blocks.pb", blocks},
    {"tf_quantised.pb", quantised},
    {"tf_dropout.pb", dropout},
    {"tf_sound.pb", sound},
    {"bad_operators.pb", bad_operators},
    {"bad_cycle.pb", bad_cycle},
    {"bad_huge.pb", bad_huge},
    {NULL, NULL}};
