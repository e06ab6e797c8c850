"""Small programs that use autograd as it is meant to be used: no rule may call anything in them wrong.

`PROGRAMS`: by name, the source.  Every one runs without an exception, with `torch` imported.
"""

from __future__ import annotations

import re

SOURCE = '''
### plain sum of squares
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
J = (x ** 2).sum()
J.backward()
print(x.grad)

### cross entropy by hand, with a bound in the logarithm that certain wrong answers reach
logits = torch.tensor([[200.0, 0.0, -200.0], [0.0, 1.0, 2.0]], requires_grad=True)
target = torch.nn.functional.one_hot(torch.tensor([2, 1]), 3)
loss = -(target * torch.log(torch.softmax(logits, dim=1) + 1e-12)).sum(dim=1).mean()
loss.backward()
print(logits.grad)

### unit vectors with a bound that keeps the slope small too
v = torch.zeros(4, 3, requires_grad=True)
u = v / v.norm(dim=1, keepdim=True).clamp(min=1e-3)
loss = (u - 1).pow(2).mean()
loss.backward()
print(v.grad)

### lengths in nanometres, given in metres
x = torch.tensor([1.1e-9, 2.3e-9, 3.0e-9], requires_grad=True)
loss = ((x / 1e-9 - torch.tensor([1.0, 2.0, 3.0])) ** 2).mean()
loss.backward()
print(x.grad)

### several leaves, some of them no leaves of autograd
x = torch.randn(8, 3)
y = torch.randn(8, 1)
w = torch.zeros(3, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
e = x @ w + b - y
J = e.pow(2).mean()
J.backward()
print(w.grad, b.grad)

### training by hand under no_grad, zeroed in place
x, y = torch.randn(8, 3), torch.randn(8)
w = torch.zeros(3, requires_grad=True)
for i in range(5):
    loss = ((x @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad.zero_()

### training by hand under no_grad, set to None
x, y = torch.randn(8, 3), torch.randn(8)
w = torch.zeros(3, requires_grad=True)
for i in range(5):
    loss = ((x @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w.sub_(0.1 * w.grad)
        w.grad = None

### zeroing first, where there is something to zero
x, y = torch.randn(8, 3), torch.randn(8)
w = torch.zeros(3, requires_grad=True)
for i in range(5):
    if w.grad is not None:
        w.grad.zero_()
    loss = ((x @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad

### update through .data
x, y = torch.randn(8, 3), torch.randn(8)
w = torch.zeros(3, requires_grad=True)
for i in range(5):
    loss = ((x @ w - y) ** 2).mean()
    loss.backward()
    w.data -= 0.1 * w.grad.data
    w.grad.data.zero_()

### update through .data, assigned anew
x, y = torch.randn(8, 3), torch.randn(8)
w = torch.zeros(3, requires_grad=True)
for i in range(5):
    loss = ((x @ w - y) ** 2).mean()
    loss.backward()
    w.data = w.data - 0.1 * w.grad.data
    w.grad = None

### a new leaf in each step
w = torch.ones(3, requires_grad=True)
for i in range(4):
    loss = (w ** 2).sum()
    loss.backward()
    w = (w - 0.1 * w.grad).detach().requires_grad_()

### gradients by autograd.grad, update by hand
w = torch.ones(3, requires_grad=True)
for i in range(4):
    loss = (w ** 2).sum()
    (g,) = torch.autograd.grad(loss, w)
    with torch.no_grad():
        w -= 0.1 * g

### sgd
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(8, 3), torch.randn(8, 1)
for i in range(3):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()

### sgd with momentum, zeroed at the end, in place
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
x, y = torch.randn(8, 3), torch.randn(8, 1)
for i in range(3):
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)

### adam with weight decay
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
x, y = torch.randn(8, 3), torch.randn(8, 1)
for i in range(3):
    optimizer.zero_grad(set_to_none=True)
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()

### rmsprop with a schedule
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
x, y = torch.randn(8, 3), torch.randn(8, 1)
for epoch in range(3):
    optimizer.zero_grad()
    loss = (model(x) - y).abs().mean()
    loss.backward()
    optimizer.step()
    schedule.step()

### adagrad on raw tensors
w = torch.randn(3, requires_grad=True)
optimizer = torch.optim.Adagrad([w], lr=0.1)
for i in range(3):
    optimizer.zero_grad()
    loss = (w ** 2).sum()
    loss.backward()
    optimizer.step()

### lbfgs with a closure
w = torch.tensor([2.0, -1.0], requires_grad=True)
optimizer = torch.optim.LBFGS([w], lr=0.5, max_iter=4)
def closure():
    optimizer.zero_grad()
    loss = (w ** 2).sum()
    loss.backward()
    return loss
for i in range(2):
    optimizer.step(closure)

### two optimizers, one for each part
body, head = torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)
first = torch.optim.SGD(body.parameters(), lr=0.1)
second = torch.optim.Adam(head.parameters(), lr=0.01)
x, y = torch.randn(8, 3), torch.randn(8, 1)
for i in range(2):
    first.zero_grad()
    second.zero_grad()
    loss = (head(torch.tanh(body(x))) - y).pow(2).mean()
    loss.backward()
    first.step()
    second.step()

### accumulation over micro-batches
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(8, 3), torch.randn(8, 1)
for step in range(2):
    optimizer.zero_grad()
    for part in range(4):
        loss = (model(x[part::4]) - y[part::4]).pow(2).mean() / 4
        loss.backward()
    optimizer.step()

### accumulation, stepping every second batch
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
for i in range(4):
    x, y = torch.randn(4, 3), torch.randn(4, 1)
    loss = (model(x) - y).pow(2).mean()
    (loss / 2).backward()
    if (i + 1) % 2 == 0:
        optimizer.step()
        optimizer.zero_grad()

### accumulation by hand
w = torch.ones(3, requires_grad=True)
x = torch.randn(4, 3)
for row in x:
    loss = (row @ w) ** 2 / 4
    loss.backward()
with torch.no_grad():
    w -= 0.1 * w.grad
w.grad = None

### two losses, two backwards, one step
w = torch.ones(3, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
optimizer.zero_grad()
first = (w ** 2).sum()
first.backward()
second = (w - 1).abs().sum()
second.backward()
optimizer.step()

### logging with item
w = torch.ones(3, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
total, history = 0.0, []
for i in range(3):
    optimizer.zero_grad()
    loss = (w ** 2).sum()
    loss.backward()
    optimizer.step()
    total += loss.item()
    history.append(float(loss))
print(total / 3, history)

### logging with detach
w = torch.ones(3, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
total = torch.zeros(())
for i in range(3):
    optimizer.zero_grad()
    loss = (w ** 2).sum()
    loss.backward()
    optimizer.step()
    total += loss.detach()
print(total)

### evaluation without gradients
model = torch.nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(8, 3), torch.randint(0, 2, (8,))
for epoch in range(2):
    model.train()
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(x).argmax(1) == y).float().mean()
    print(accuracy.item())

### accuracy beside the loss
model = torch.nn.Linear(3, 2)
x, y = torch.randn(8, 3), torch.randint(0, 2, (8,))
logits = model(x)
loss = torch.nn.functional.cross_entropy(logits, y)
accuracy = (logits.argmax(dim=1) == y).float().mean()
loss.backward()
print(f"{loss.item():.3f} {accuracy:.2f}")

### early stopping on a number
w = torch.ones(3, requires_grad=True)
best = float("inf")
for i in range(4):
    loss = (w ** 2).sum()
    if loss < best:
        best = loss.item()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        w.grad = None

### inference mode
model = torch.nn.Linear(3, 2)
with torch.inference_mode():
    y = model(torch.randn(4, 3)).softmax(1)
print(y.shape)

### frozen layers
body, head = torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)
for p in body.parameters():
    p.requires_grad_(False)
optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
x, y = torch.randn(8, 3), torch.randn(8, 1)
for i in range(2):
    optimizer.zero_grad()
    loss = (head(body(x)) - y).pow(2).mean()
    loss.backward()
    optimizer.step()
assert body.weight.grad is None

### frozen features under no_grad
body, head = torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
x, y = torch.randn(8, 3), torch.randn(8, 1)
for i in range(2):
    with torch.no_grad():
        features = body(x).relu()
    optimizer.zero_grad()
    loss = (head(features) - y).pow(2).mean()
    loss.backward()
    optimizer.step()

### fine tuning only what requires grad
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
model[0].requires_grad_(False)
optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
loss = model(torch.randn(4, 3)).pow(2).mean()
loss.backward()
optimizer.step()
for name, p in model.named_parameters():
    if p.grad is not None:
        print(name, p.grad.norm())

### adversarial networks, alternating
G, D = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
opt_g = torch.optim.Adam(G.parameters(), lr=0.01)
opt_d = torch.optim.Adam(D.parameters(), lr=0.01)
bce = torch.nn.BCEWithLogitsLoss()
for i in range(2):
    real, noise = torch.randn(4, 2), torch.randn(4, 2)
    opt_d.zero_grad()
    fake = G(noise)
    loss_d = bce(D(real), torch.ones(4, 1)) + bce(D(fake.detach()), torch.zeros(4, 1))
    loss_d.backward()
    opt_d.step()
    opt_g.zero_grad()
    loss_g = bce(D(fake), torch.ones(4, 1))
    loss_g.backward()
    opt_g.step()

### only the step of the discriminator
G, D = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
opt_d = torch.optim.SGD(D.parameters(), lr=0.01)
opt_d.zero_grad()
fake = G(torch.randn(4, 2)).detach()
loss = D(fake).mean() - D(torch.randn(4, 2)).mean()
loss.backward()
opt_d.step()

### gradient penalty
G, D = torch.nn.Linear(2, 2), torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
opt_d = torch.optim.Adam(D.parameters(), lr=0.01)
real, fake = torch.randn(4, 2), G(torch.randn(4, 2)).detach()
share = torch.rand(4, 1)
between = (share * real + (1 - share) * fake).requires_grad_(True)
(slope,) = torch.autograd.grad(D(between).sum(), between, create_graph=True)
penalty = ((slope.norm(dim=1) - 1) ** 2).mean()
loss = D(fake).mean() - D(real).mean() + 10 * penalty
opt_d.zero_grad()
loss.backward()
opt_d.step()

### targets of temporal differences
net = torch.nn.Linear(3, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
s, s2, r = torch.randn(4, 3), torch.randn(4, 3), torch.randn(4)
a = torch.randint(0, 2, (4, 1))
q = net(s).gather(1, a).squeeze(1)
target = r + 0.9 * net(s2).max(1).values.detach()
loss = (q - target).pow(2).mean()
optimizer.zero_grad()
loss.backward()
optimizer.step()

### a target network
import copy
net = torch.nn.Linear(3, 2)
target_net = copy.deepcopy(net)
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
s, s2, r = torch.randn(4, 3), torch.randn(4, 3), torch.randn(4)
for i in range(2):
    with torch.no_grad():
        target = r + 0.9 * target_net(s2).max(1).values
    loss = torch.nn.functional.smooth_l1_loss(net(s).max(1).values, target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
target_net.load_state_dict(net.state_dict())

### double q-learning, old style
import copy
net = torch.nn.Linear(3, 2)
target_net = copy.deepcopy(net)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
s, s2, r = torch.randn(4, 3), torch.randn(4, 3), torch.randn(4)
best = net(s2).argmax(1, keepdim=True)
target = r + 0.9 * target_net(s2).gather(1, best).squeeze(1).data
loss = (net(s)[:, 0] - target).pow(2).mean()
optimizer.zero_grad()
loss.backward()
optimizer.step()

### moving average under no_grad
import copy
model = torch.nn.Linear(3, 1)
average = copy.deepcopy(model).requires_grad_(False)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(3):
    optimizer.zero_grad()
    loss = model(torch.randn(4, 3)).pow(2).mean()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for slow, fast in zip(average.parameters(), model.parameters()):
            slow.mul_(0.9).add_(fast, alpha=0.1)

### moving average through .data
model = torch.nn.Linear(3, 1)
shadow = {name: p.data.clone() for name, p in model.named_parameters()}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(2):
    optimizer.zero_grad()
    loss = model(torch.randn(4, 3)).pow(2).mean()
    loss.backward()
    optimizer.step()
    for name, p in model.named_parameters():
        shadow[name] = 0.9 * shadow[name] + 0.1 * p.data

### teacher and student
teacher, student = torch.nn.Linear(3, 4), torch.nn.Linear(3, 4)
optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
x = torch.randn(8, 3)
with torch.no_grad():
    wanted = teacher(x).softmax(1)
loss = torch.nn.functional.kl_div(student(x).log_softmax(1), wanted, reduction="batchmean")
optimizer.zero_grad()
loss.backward()
optimizer.step()

### two views, the other one without gradient
net, predictor = torch.nn.Linear(3, 4), torch.nn.Linear(4, 4)
a, b = net(torch.randn(8, 3)), net(torch.randn(8, 3))
cosine = torch.nn.functional.cosine_similarity
loss = -(cosine(predictor(a), b.detach()).mean() + cosine(predictor(b), a.detach()).mean()) / 2
loss.backward()

### clipping by norm
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(2):
    optimizer.zero_grad()
    loss = model(torch.randn(4, 3)).pow(2).sum()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()

### clipping by value, by hand
w = torch.full((3,), 5.0, requires_grad=True)
for i in range(2):
    loss = (w ** 4).sum()
    loss.backward()
    w.grad.clamp_(-1, 1)
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad = None

### norm of all gradients
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
model(torch.randn(4, 3)).mean().backward()
norm = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
print(norm.item())

### scaled loss
w = torch.ones(3, requires_grad=True)
loss = (w ** 2).sum()
(loss * 1024).backward()
w.grad /= 1024
with torch.no_grad():
    w -= 0.1 * w.grad

### a step skipped because the gradient is broken
w = torch.zeros(2, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
loss = (w ** 2).sum()
loss.backward()
if not torch.isfinite(w.grad).all():
    optimizer.zero_grad()
optimizer.step()
optimizer.zero_grad()

### the graph kept for a second backward
x = torch.ones(3, requires_grad=True)
y = (x ** 3).sum()
y.backward(retain_graph=True)
x.grad = None
y.backward()

### a shared part with two heads
x, w = torch.randn(4, 3), torch.ones(3, requires_grad=True)
hidden = torch.tanh(x * w)
(first,) = torch.autograd.grad(hidden.sum(), w, retain_graph=True)
(second,) = torch.autograd.grad((hidden ** 2).sum(), w)
print(first, second)

### gradients of each loss, then both
w = torch.ones(3, requires_grad=True)
hidden = w.exp()
a, b = hidden.sum(), hidden.mean()
ga = torch.autograd.grad(a, w, retain_graph=True)[0]
gb = torch.autograd.grad(b, w, retain_graph=True)[0]
(a + (ga.norm() / gb.norm()) * b).backward()

### vector-jacobian product
x = torch.arange(3.0, requires_grad=True)
y = x ** 2
y.backward(torch.tensor([1.0, 0.5, 0.25]))
print(x.grad)

### jacobian row by row
x = torch.arange(3.0, requires_grad=True)
y = torch.stack([x.sum(), x.prod(), (x ** 2).sum()])
rows = [torch.autograd.grad(y[i], x, retain_graph=True)[0] for i in range(3)]
J = torch.stack(rows)

### jacobian and hessian by torch
def f(x):
    return (x ** 3).sum()
x = torch.tensor([1.0, 2.0])
print(torch.autograd.functional.jacobian(f, x))
print(torch.autograd.functional.hessian(f, x))

### second derivative
x = torch.tensor(2.0, requires_grad=True)
y = x ** 4
(dy,) = torch.autograd.grad(y, x, create_graph=True)
(d2y,) = torch.autograd.grad(dy, x)
print(dy, d2y)

### hessian-vector product
x = torch.tensor([1.0, 2.0], requires_grad=True)
v = torch.tensor([1.0, -1.0])
(g,) = torch.autograd.grad((x ** 3).sum(), x, create_graph=True)
(hv,) = torch.autograd.grad(g @ v, x)

### penalty on the slope at the input
x = torch.randn(4, 2, requires_grad=True)
net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
u = net(x)
(du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
loss = (du.pow(2).sum(1) - 1).pow(2).mean()
loss.backward()

### a differential equation
t = torch.linspace(0, 1, 5).reshape(-1, 1).requires_grad_()
net = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for i in range(2):
    u = net(t)
    (du,) = torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)
    loss = (du + u).pow(2).mean() + (u[0] - 1).pow(2).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

### meta-learning by autograd.grad
w = torch.ones(3, requires_grad=True)
outer = torch.optim.SGD([w], lr=0.1)
x, y = torch.randn(4, 3), torch.randn(4)
for i in range(2):
    fast = w
    for k in range(2):
        inner = ((x @ fast - y) ** 2).mean()
        (g,) = torch.autograd.grad(inner, fast, create_graph=True)
        fast = fast - 0.1 * g
    loss = ((x @ fast - y) ** 2).mean()
    outer.zero_grad()
    loss.backward()
    outer.step()

### first order meta-learning on a copy
w = torch.ones(3, requires_grad=True)
fast = w.detach().clone().requires_grad_()
loss = (fast ** 2).sum()
loss.backward()
with torch.no_grad():
    fast -= 0.1 * fast.grad
    w += 0.5 * (fast - w)

### custom function
class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x ** 3
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x ** 2
x = torch.tensor([1.0, 2.0], requires_grad=True)
Cube.apply(x).sum().backward()
print(x.grad)

### straight through by a function of one's own
class Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()
    @staticmethod
    def backward(ctx, g):
        return g
x = torch.tensor([0.2, 1.7], requires_grad=True)
(Round.apply(x) * torch.tensor([1.0, 2.0])).sum().backward()

### straight through by detach
x = torch.tensor([0.2, 1.7], requires_grad=True)
q = x + (x.round() - x).detach()
loss = (q - 1).pow(2).sum()
loss.backward()

### straight through, summed at once
x = torch.tensor([0.2, 1.7], requires_grad=True)
hard = (x > 0.5).float()
soft = torch.sigmoid(x)
(hard.detach() + soft - soft.detach()).sum().backward()

### gumbel softmax, hard
logits = torch.zeros(4, 3, requires_grad=True)
sample = torch.nn.functional.gumbel_softmax(logits, hard=True)
loss = (sample @ torch.tensor([1.0, 2.0, 3.0])).mean()
loss.backward()

### fractional part
x = torch.tensor([0.2, 1.7], requires_grad=True)
y = x - x.floor()
(y ** 2).sum().backward()

### a vector quantizer
codes = torch.randn(4, 2, requires_grad=True)
encoder = torch.nn.Linear(3, 2)
z = encoder(torch.randn(5, 3))
index = torch.cdist(z, codes).argmin(1)
chosen = codes[index]
loss = (chosen - z.detach()).pow(2).mean() + 0.25 * (z - chosen.detach()).pow(2).mean()
out = z + (chosen - z).detach()
loss = loss + out.pow(2).mean()
loss.backward()

### policy gradient with a baseline
policy, value = torch.nn.Linear(3, 2), torch.nn.Linear(3, 1)
optimizer = torch.optim.Adam([*policy.parameters(), *value.parameters()], lr=0.01)
s, returns = torch.randn(6, 3), torch.randn(6)
dist = torch.distributions.Categorical(logits=policy(s))
a = dist.sample()
v = value(s).squeeze(1)
advantage = (returns - v).detach()
loss = -(dist.log_prob(a) * advantage).mean() + (returns - v).pow(2).mean() - 0.01 * dist.entropy().mean()
optimizer.zero_grad()
loss.backward()
optimizer.step()

### clipped policy ratio
policy = torch.nn.Linear(3, 2)
optimizer = torch.optim.SGD(policy.parameters(), lr=0.01)
s, a, advantage = torch.randn(6, 3), torch.randint(0, 2, (6,)), torch.randn(6)
with torch.no_grad():
    old = policy(s).log_softmax(1).gather(1, a[:, None]).squeeze(1)
for i in range(2):
    new = policy(s).log_softmax(1).gather(1, a[:, None]).squeeze(1)
    ratio = (new - old).exp()
    loss = -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

### a temperature learned apart
log_alpha = torch.zeros(1, requires_grad=True)
policy = torch.nn.Linear(3, 1)
actor = torch.optim.Adam(policy.parameters(), lr=0.01)
tuner = torch.optim.Adam([log_alpha], lr=0.01)
log_pi = policy(torch.randn(4, 3))
alpha = log_alpha.exp().item()
actor_loss = (alpha * log_pi).mean()
actor.zero_grad()
actor_loss.backward()
actor.step()
alpha_loss = -(log_alpha * (log_pi.detach() + 1)).mean()
tuner.zero_grad()
alpha_loss.backward()
tuner.step()

### losses weighted by their own size
w = torch.ones(3, requires_grad=True)
a, b = (w ** 2).sum(), (w - 2).abs().sum()
loss = a / a.item() + b / b.detach()
loss.backward()

### recurrent by hand
Wx, Wh = torch.randn(2, 4, requires_grad=True), torch.randn(4, 4, requires_grad=True)
h = torch.zeros(4)
for t in range(5):
    h = torch.tanh(torch.randn(2) @ Wx + h @ Wh)
h.sum().backward()

### recurrent with detach between the chunks
cell = torch.nn.GRUCell(2, 4)
head = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD([*cell.parameters(), *head.parameters()], lr=0.1)
h = torch.zeros(3, 4)
for chunk in range(3):
    h = h.detach()
    loss = 0
    for t in range(4):
        h = cell(torch.randn(3, 2), h)
        loss = loss + head(h).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

### long short-term memory, state detached in place
lstm, head = torch.nn.LSTM(2, 4, batch_first=True), torch.nn.Linear(4, 1)
optimizer = torch.optim.Adam([*lstm.parameters(), *head.parameters()], lr=0.01)
state = None
for chunk in range(2):
    out, state = lstm(torch.randn(3, 5, 2), state)
    loss = head(out).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    state = tuple(s.detach_() for s in state)

### checkpointing
from torch.utils.checkpoint import checkpoint
layer = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh())
x = torch.randn(4, 3, requires_grad=True)
checkpoint(layer, x, use_reentrant=False).sum().backward()

### checkpointing by hand
layer = torch.nn.Linear(3, 2)
x = torch.randn(4, 3, requires_grad=True)
hidden = x.exp()
cut = hidden.detach().requires_grad_()
loss = layer(cut).pow(2).sum()
loss.backward()
hidden.backward(cut.grad)

### fine in-place operations
x = torch.randn(4, requires_grad=True)
y = x * 2
y += 1
y.relu_()
z = torch.zeros(4)
z[:2] = y[:2]
z[2:] = y[2:] * 3
z.sum().backward()

### in-place activation
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(inplace=True), torch.nn.Linear(4, 1))
net(torch.randn(5, 3)).mean().backward()

### a buffer filled in place
x = torch.randn(3, requires_grad=True)
out = torch.empty(3)
for i in range(3):
    out[i] = x[i] ** 2
out.sum().backward()

### changed after backward
x = torch.randn(3, requires_grad=True)
y = x.exp()
y.sum().backward()
y.data.zero_()

### changed on a clone
x = torch.randn(3, requires_grad=True)
y = x.exp()
z = y.clone()
z.add_(1)
(y * z).sum().backward()

### numpy of what was detached
x = torch.randn(3, requires_grad=True)
y = x ** 2
values = y.detach().numpy()
y.sum().backward()
print(values.mean(), x.grad.numpy())

### input from numpy
import numpy as np
data = np.arange(6, dtype=np.float32).reshape(3, 2)
x = torch.from_numpy(data)
w = torch.ones(2, requires_grad=True)
(x @ w).sum().backward()

### numpy memory used anew for each batch
import numpy as np
batch = np.zeros((4, 2), dtype=np.float32)
w = torch.ones(2, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
for i in range(3):
    batch[:] = i
    loss = (torch.from_numpy(batch) @ w).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

### initialisation in place
net = torch.nn.Linear(3, 2)
torch.nn.init.xavier_uniform_(net.weight)
net.bias.data.zero_()
with torch.no_grad():
    net.weight[0] = 1.0
net(torch.randn(4, 3)).sum().backward()

### weights kept in a box after each step
w = torch.tensor([2.0, -2.0], requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.5)
for i in range(3):
    optimizer.zero_grad()
    loss = (w - 3).pow(2).sum()
    loss.backward()
    optimizer.step()
    w.data.clamp_(-1, 1)

### batch norm and dropout
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for i in range(2):
    optimizer.zero_grad()
    loss = (net(torch.randn(8, 3)) - net(torch.randn(8, 3))).pow(2).mean()
    loss.backward()
    optimizer.step()

### convolutions
net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
                          torch.nn.Linear(18, 3))
optimizer = torch.optim.Adam(net.parameters())
optimizer.zero_grad()
loss = torch.nn.functional.cross_entropy(net(torch.randn(2, 1, 8, 8)), torch.tensor([0, 2]))
loss.backward()
optimizer.step()

### attention
layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
layer(torch.randn(2, 5, 8)).pow(2).mean().backward()

### embedding
table = torch.nn.Embedding(10, 4)
optimizer = torch.optim.SGD(table.parameters(), lr=0.1)
ids = torch.tensor([[1, 2], [3, 1]])
loss = table(ids).mean(1).pow(2).sum()
optimizer.zero_grad()
loss.backward()
optimizer.step()

### masks
x = torch.randn(6, requires_grad=True)
mask = x > 0
loss = (x * mask).pow(2).sum() / mask.sum().clamp(min=1)
loss.backward()

### chosen rows
x = torch.randn(6, 3, requires_grad=True)
best = x.sum(1).topk(2).indices
x[best].pow(2).sum().backward()

### where
x = torch.randn(6, requires_grad=True)
torch.where(x > 0, x, 0.1 * x).sum().backward()

### gradient kept for a result
x = torch.ones(3, requires_grad=True)
y = x * 2
y.retain_grad()
y.pow(2).sum().backward()
print(y.grad, x.grad)

### gradient of a result by a hook
x = torch.ones(3, requires_grad=True)
y = x * 2
seen = []
y.register_hook(seen.append)
y.pow(2).sum().backward()

### only some inputs
a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
(a * b).sum().backward(inputs=[a])
assert b.grad is None

### allow unused
a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
ga, gb = torch.autograd.grad((a ** 2).sum(), [a, b], allow_unused=True)
print(ga, gb)

### an attack on the input
net = torch.nn.Linear(3, 2)
x, y = torch.randn(4, 3), torch.tensor([0, 1, 0, 1])
moved = x.clone().detach().requires_grad_(True)
for i in range(3):
    loss = torch.nn.functional.cross_entropy(net(moved), y)
    (g,) = torch.autograd.grad(loss, moved)
    moved = (moved + 0.1 * g.sign()).detach().requires_grad_(True)

### an attack by .grad
net = torch.nn.Linear(3, 2)
x, y = torch.randn(4, 3, requires_grad=True), torch.tensor([0, 1, 0, 1])
loss = torch.nn.functional.cross_entropy(net(x), y)
loss.backward()
moved = (x + 0.1 * x.grad.sign()).detach()

### dreaming into the input
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh())
for p in net.parameters():
    p.requires_grad = False
x = torch.zeros(1, 3, requires_grad=True)
optimizer = torch.optim.Adam([x], lr=0.1)
for i in range(3):
    optimizer.zero_grad()
    loss = -net(x)[0, 2]
    loss.backward()
    optimizer.step()

### variational autoencoder
enc, dec = torch.nn.Linear(4, 4), torch.nn.Linear(2, 4)
x = torch.rand(5, 4)
mean, log_var = enc(x).chunk(2, dim=1)
z = mean + torch.randn_like(mean) * (0.5 * log_var).exp()
rebuilt = torch.sigmoid(dec(z))
loss = torch.nn.functional.binary_cross_entropy(rebuilt, x) - 0.5 * (1 + log_var - mean ** 2 - log_var.exp()).mean()
loss.backward()

### weight decay by hand, in the loss
w = torch.ones(3, requires_grad=True)
loss = (w - 2).pow(2).sum() + 0.01 * w.norm() ** 2
loss.backward()

### weight decay by hand, in the step
w = torch.ones(3, requires_grad=True)
for i in range(2):
    loss = (w - 2).pow(2).sum()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * (w.grad + 0.01 * w)
        w.grad.zero_()

### momentum by hand
w = torch.ones(3, requires_grad=True)
v = torch.zeros(3)
for i in range(3):
    loss = (w ** 2).sum()
    loss.backward()
    with torch.no_grad():
        v = 0.9 * v + w.grad
        w -= 0.1 * v
        w.grad.zero_()

### averaged over samples by vmap
def loss(w, x):
    return (w * x).pow(2).sum()
w, xs = torch.ones(3), torch.randn(5, 3)
g = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(w, xs)
print(g.mean(0))

### functional call
net = torch.nn.Linear(3, 1)
params = {name: p.detach().clone().requires_grad_() for name, p in net.named_parameters()}
loss = torch.func.functional_call(net, params, (torch.randn(4, 3),)).pow(2).mean()
grads = torch.autograd.grad(loss, list(params.values()))
params = {name: p - 0.1 * g for (name, p), g in zip(params.items(), grads)}

### gradient checked by differences
x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
assert torch.autograd.gradcheck(lambda t: (t ** 3).sum(), (x,))

### sparse gradient of an embedding
table = torch.nn.Embedding(6, 2, sparse=True)
optimizer = torch.optim.SparseAdam(table.parameters(), lr=0.1)
optimizer.zero_grad()
table(torch.tensor([1, 4])).pow(2).sum().backward()
optimizer.step()

### sharpness-aware step
w = torch.ones(3, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
for i in range(2):
    optimizer.zero_grad()
    (w ** 2).sum().backward()
    with torch.no_grad():
        move = 0.05 * w.grad / w.grad.norm()
        w += move
    optimizer.zero_grad()
    (w ** 2).sum().backward()
    with torch.no_grad():
        w -= move
    optimizer.step()

### perturbed weights, put back
w = torch.ones(3, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
(w ** 2).sum().backward()
kept = w.data.clone()
w.data.add_(0.1 * w.grad / w.grad.norm())
(w ** 2).sum().backward()
w.data = kept
optimizer.step()
optimizer.zero_grad()

### weights swapped for an evaluation in between
w = torch.ones(3, requires_grad=True)
loss = (w ** 2).sum()
kept = w.data
w.data = kept * 0.5
with torch.no_grad():
    print((w ** 2).sum())
w.data = kept
loss.backward()

### siamese network
net = torch.nn.Linear(3, 2)
a, b, same = torch.randn(4, 3), torch.randn(4, 3), torch.tensor([1.0, 0.0, 1.0, 0.0])
distance = (net(a) - net(b)).norm(dim=1)
loss = (same * distance ** 2 + (1 - same) * (1 - distance).clamp(min=0) ** 2).mean()
loss.backward()

### reversed gradient
class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)
    @staticmethod
    def backward(ctx, g):
        return -g
net, critic = torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)
critic(Reverse.apply(net(torch.randn(4, 3)))).mean().backward()

### clipping by norm, nothing to clip, and by value
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
for i in range(2):
    optimizer.zero_grad()
    loss = model(torch.randn(4, 3)).pow(2).mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1e6)
    torch.nn.utils.clip_grad_value_(model.parameters(), 0.5)
    optimizer.step()

### clipping by norm, by hand
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(2):
    optimizer.zero_grad()
    loss = model(torch.randn(4, 3)).pow(2).sum()
    loss.backward()
    total = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
    if total > 1.0:
        for p in model.parameters():
            p.grad.mul_(1.0 / (total + 1e-6))
    optimizer.step()

### mixed precision in bfloat16
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
x, y = torch.randn(8, 3), torch.randn(8, 1)
for i in range(3):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()

### mixed precision in float16 with a scaler and clipping
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
scaler = torch.amp.GradScaler("cpu")
x, y = torch.randn(8, 3), torch.randn(8, 1)
for i in range(3):
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.float16):
        loss = torch.nn.functional.mse_loss(model(x), y)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()

### a scaler that finds infinite gradients and skips the step
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0 ** 40)
x, y = torch.randn(8, 3), torch.randn(8, 1)
for i in range(3):
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.float16):
        loss = torch.nn.functional.mse_loss(model(x), y)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()

### mixed precision with accumulation
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
scaler = torch.amp.GradScaler("cpu")
x, y = torch.randn(8, 3), torch.randn(8, 1)
for i in range(4):
    with torch.autocast("cpu", dtype=torch.float16):
        loss = torch.nn.functional.mse_loss(model(x), y) / 2
    scaler.scale(loss).backward()
    if (i + 1) % 2 == 0:
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

### accumulation whose sum is looked at on the way
model = torch.nn.Linear(3, 1)
for i in range(4):
    loss = model(torch.randn(4, 3)).pow(2).mean() / 4
    loss.backward()
    print(model.weight.grad.norm())

### a discriminator that sums two passes
G, D = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
opt_g = torch.optim.Adam(G.parameters(), lr=0.01)
opt_d = torch.optim.Adam(D.parameters(), lr=0.01)
bce = torch.nn.BCEWithLogitsLoss()
for i in range(3):
    D.zero_grad()
    bce(D(torch.randn(4, 2)), torch.ones(4, 1)).backward()
    fake = G(torch.randn(4, 2))
    bce(D(fake.detach()), torch.zeros(4, 1)).backward()
    opt_d.step()
    G.zero_grad()
    bce(D(fake), torch.ones(4, 1)).backward()
    opt_g.step()

### episodes, one backward for each step
policy = torch.nn.Linear(3, 2)
optimizer = torch.optim.Adam(policy.parameters())
for episode in range(3):
    optimizer.zero_grad(set_to_none=False)
    for t in range(4):
        dist = torch.distributions.Categorical(logits=policy(torch.randn(3)))
        action = dist.sample()
        (-dist.log_prob(action) * 0.5).backward()
    optimizer.step()
'''

PROGRAMS: dict[str, str] = {
    title: source.strip("\n") + "\n"
    for title, source in (part.split("\n", 1) for part in re.split(r"^### ", SOURCE, flags=re.M)[1:])
}
